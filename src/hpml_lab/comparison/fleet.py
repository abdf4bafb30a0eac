"""Machines of one model beside each other: which of them are slow or odd.

All units of a model should take the same time for the same case. A unit's time is the median over
its cases of its log time against the median of all units; runs of a unit are averaged first. Each
ceiling is such a number too. A unit is odd where one of its numbers is an outlier among those of
all units (`stats.extreme`). The chance of any false finding in a fleet is alpha, shared by models
and numbers. Identical GPUs differ by 8 % on average (P. Sinha et al., Not all GPUs are created
equal, SC22), so a unit is compared with how much the others differ, not with a limit.
"""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

from hpml_lab.errors import InputError
from hpml_lab.runs.summary import Summary
from hpml_lab.stats.extreme import FEWEST, outliers

ALPHA = 0.01
TIME = "time"  # of all cases together


@dataclass(frozen=True)
class Unit:
    """One machine of a model.

    Attributes:
        name: Its host, and its GPUs where a host has several units.
        runs: Number of its runs.
        ratios: Its time, and each of its ceilings, over the median of all units of its model.
    """

    name: str
    runs: int
    ratios: Mapping[str, float]


@dataclass(frozen=True)
class Finding:
    """A number of a unit that is an outlier.

    Attributes:
        model: The model's name.
        unit: The unit's name.
        what: ``time``, or the name of a ceiling.
        ratio: The number over the median of all units.
    """

    model: str
    unit: str
    what: str
    ratio: float


@dataclass(frozen=True)
class Fleet:
    """The units of each model, and what is odd.

    Attributes:
        models: Units by the model's name, the slowest first.
        findings: What is odd, by model.
        alpha: Chance of any false finding.
    """

    models: dict[str, list[Unit]]
    findings: list[Finding]
    alpha: float


def fleet(runs: Iterable[Summary], alpha: float = ALPHA) -> Fleet:
    """Compares the units of each model.

    Args:
        runs: Runs of any machines.
        alpha: Chance of any false finding.

    Raises:
        InputError: if alpha is no share.
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha {alpha} is not a share; give a number between 0 and 1")
    by_model: dict[str, dict[str, list[Summary]]] = {}
    for run in runs:
        by_model.setdefault(run.machine, {}).setdefault(run.unit, []).append(run)
    models = {model: _units(units) for model, units in sorted(by_model.items())}
    judged = [m for m, units in models.items() if len(units) >= FEWEST]
    findings = [f for m in judged for f in _findings(m, models[m], alpha / len(judged))]
    return Fleet(models, findings, alpha)


def _units(units: Mapping[str, Sequence[Summary]]) -> list[Unit]:
    times = _relative({name: _times(runs) for name, runs in units.items()})
    ceilings = _relative({name: _ceilings(runs) for name, runs in units.items()})
    counts = Counter(case for numbers in times.values() for case in numbers)
    result = []
    for name, runs in units.items():
        # A case that no other unit has is 0 from its own median.
        shared = [v for case, v in times[name].items() if counts[case] > 1 or len(units) == 1]
        of_all = {TIME: statistics.median(shared)} if shared else {}
        ratios = {what: exp(value) for what, value in (of_all | ceilings[name]).items()}
        result.append(Unit(name, len(runs), ratios))
    return sorted(result, key=lambda unit: -unit.ratios.get(TIME, 0.0))


def _relative(values: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Returns each unit's logs less the median of all units that have the number."""
    names = {name for numbers in values.values() for name in numbers}
    middles = {
        name: statistics.median(n[name] for n in values.values() if name in n) for name in names
    }
    return {
        unit: {name: value - middles[name] for name, value in numbers.items()}
        for unit, numbers in values.items()
    }


def _times(runs: Sequence[Summary]) -> dict[str, float]:
    """Returns the mean log seconds of each case over the runs of a unit."""
    logs: dict[str, list[float]] = {}
    for run in runs:
        for name, case in run.cases.items():
            if (typical_s := statistics.median(case.medians_s)) > 0:
                logs.setdefault(name, []).append(log(typical_s))
    return {name: statistics.fmean(values) for name, values in logs.items()}


def _ceilings(runs: Sequence[Summary]) -> dict[str, float]:
    logs: dict[str, list[float]] = {}
    for run in runs:
        for name, value in run.ceilings.items():
            if value and value > 0:
                logs.setdefault(name, []).append(log(value))
    return {name: statistics.fmean(values) for name, values in logs.items()}


def _findings(model: str, units: Sequence[Unit], alpha: float) -> list[Finding]:
    whats = list(dict.fromkeys(what for unit in units for what in unit.ratios))
    found = []
    for what in whats:
        having = [unit for unit in units if what in unit.ratios]
        logs = [log(unit.ratios[what]) for unit in having]
        found += [
            Finding(model, having[place].name, what, having[place].ratios[what])
            for place in outliers(logs, alpha / len(whats))
        ]
    return found
