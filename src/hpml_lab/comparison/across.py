"""Cross-machine comparison: ratios, exact counters and roofline points, against one machine."""

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hpml_lab.comparison.comparability import differing
from hpml_lab.comparison.ratios import Contrast, Ratio, ratios
from hpml_lab.comparison.roofline_points import has_work, place
from hpml_lab.comparison.sides import Subject
from hpml_lab.errors import InputError
from hpml_lab.runs.cases import typical_s
from hpml_lab.runs.schema import Measurement, Run
from hpml_lab.stats.intervals import FEWEST_PROCESSES
from hpml_lab.stats.shrinkage import t_quantile
from hpml_lab.theory.roofline import Position


@dataclass(frozen=True)
class CounterComparison:
    """Exact counters of a group of cases, compared with the first machine's.

    Attributes:
        machine: Name of the other machine.
        group: Group of the cases.
        equal: Number of counters with equal values in cases with equal settings.
        unequal: The other counters, as ``case: counter 1 != 2``.
        not_comparable: Settings that differ, if no case has equal ones.
    """

    machine: str
    group: str
    equal: int
    unequal: list[str]
    not_comparable: list[str]


def compare_counters(first: Subject, other: Subject) -> Iterator[CounterComparison]:
    """Comparison of the counters of each group of cases of which both machines have counters."""
    contender = _with_counters(other.run)
    for group, baseline in _with_counters(first.run).items():
        if group not in contender:
            continue
        equal, unequal, reasons = 0, list[str](), dict[str, None]()
        for name, case in baseline:
            _, best = min(
                contender[group], key=lambda named: len(differing(case.case, named[1].case))
            )
            shared = [key for key in case.counters if key in best.counters]
            if different := differing(case.case, best.case):
                reasons |= dict.fromkeys(different)
                continue
            wrong = [key for key in shared if case.counters[key] != best.counters[key]]
            equal += len(shared) - len(wrong)
            unequal += [f"{name}: {k} {case.counters[k]} != {best.counters[k]}" for k in wrong]
        yield CounterComparison(
            other.name, group, equal, unequal, list(reasons) if not equal else []
        )


def _with_counters(run: Run) -> dict[str, list[tuple[str, Measurement]]]:
    groups: dict[str, list[tuple[str, Measurement]]] = {}
    for benchmark in run.benchmarks:
        case = benchmark.measurement
        if case is not None and case.counters and benchmark.group:
            groups.setdefault(benchmark.group, []).append((benchmark.name, case))
    return groups


ALIKE = 0.10  # ratios within this of each other agree

Status = Literal["agree", "differ", "cannot tell", "not comparable", ""]


@dataclass(frozen=True)
class RatioRow:
    """A machine's ratio and whether it agrees with the first's; no status if it is not judged."""

    machine: str
    ratio: Ratio
    word: Status = ""
    why: str = ""


@dataclass(frozen=True)
class RatioTable:
    """All machines' ratios for one contrast."""

    contrast: Contrast
    rows: list[RatioRow]


def ratio_tables(
    first: Subject, others: Sequence[Subject], contrasts: Iterable[Contrast], alpha: float
) -> list[RatioTable]:
    """Tables of ratios, one for each contrast.

    Args:
        first: the baseline; contrasts without a case of it are left out.
        others: the machines that are compared with it.
        contrasts: the contrasts.
        alpha: the chance of any false `differ` in all tables, in (0, 1).
    """
    return _judged([t for contrast in contrasts if (t := _table(contrast, first, others))], alpha)


def _table(contrast: Contrast, first: Subject, others: Iterable[Subject]) -> RatioTable | None:
    baseline = ratios(first.run, contrast)
    rows = [RatioRow(first.name, ratio) for ratio in baseline]
    for other in others:
        rows += [_row(other.name, ratio, baseline) for ratio in ratios(other.run, contrast)]
    return RatioTable(contrast, rows) if baseline else None


def _row(machine: str, contender: Ratio, baseline: Iterable[Ratio]) -> RatioRow:
    """Row of a ratio; it is ``not comparable`` if the first machine's settings differ."""
    same = [
        ratio
        for ratio in baseline
        if (ratio.level, ratio.reading) == (contender.level, contender.reading)
    ]
    if not same:
        return RatioRow(machine, contender)
    settings = _nearest(contender, same).settings
    if names := differing(settings, contender.settings):
        return RatioRow(machine, contender, "not comparable", f"other {', '.join(names)}")
    return RatioRow(machine, contender)


def _nearest(contender: Ratio, baseline: Iterable[Ratio]) -> Ratio:
    """Ratio of the baseline with the fewest different settings."""
    return min(baseline, key=lambda ratio: len(differing(ratio.settings, contender.settings)))


def _judged(tables: list[RatioTable], alpha: float) -> list[RatioTable]:
    pairs = [pair for table in tables for pair in _pairs(table)]
    confidence = 1 - alpha / max(1, len(pairs))
    statuses = {
        id(row): equivalence(baseline.logs, row.ratio.logs, confidence) for baseline, row in pairs
    }
    return [
        replace(table, rows=[_with_status(row, statuses.get(id(row))) for row in table.rows])
        for table in tables
    ]


def _with_status(row: RatioRow, status: Status | None) -> RatioRow:
    return row if status is None else replace(row, word=status)


def _pairs(table: RatioTable) -> Iterator[tuple[Ratio, RatioRow]]:
    """Pairs of a baseline ratio and a contender's row that both have enough processes."""
    machine = table.rows[0].machine
    baseline = [row.ratio for row in table.rows if row.machine == machine]
    measured = [ratio for ratio in baseline if len(ratio.logs) >= FEWEST_PROCESSES]
    for row in table.rows:
        same = [ratio for ratio in measured if ratio.level == row.ratio.level]
        enough = len(row.ratio.logs) >= FEWEST_PROCESSES
        if row.machine != machine and same and enough and not row.word:
            yield _nearest(row.ratio, same), row


def equivalence(baseline: Sequence[float], contender: Sequence[float], confidence: float) -> Status:
    """Equivalence test of one ratio on two machines, by the interval of its difference.

    Args:
        baseline: log ratios of the first machine's processes, two or more.
        contender: log ratios of the other machine's processes, two or more.
        confidence: confidence of the interval, in (0, 1).

    Returns:
        ``agree`` if the interval lies within `ALIKE`, else ``differ`` if it excludes 0.
    """
    difference = abs(statistics.fmean(baseline) - statistics.fmean(contender))
    half_width = _half_width(baseline, contender, confidence)
    if difference + half_width <= math.log1p(ALIKE):
        return "agree"
    return "differ" if difference > half_width else "cannot tell"


def _half_width(baseline: Sequence[float], contender: Sequence[float], confidence: float) -> float:
    """Half-width of Welch's interval (B. L. Welch, Biometrika 34, 1947)."""
    parts = [
        (statistics.variance(logs) / len(logs), len(logs) - 1) for logs in (baseline, contender)
    ]
    squared = sum(part for part, _ in parts)
    if squared == 0:
        return 0.0
    dof = squared**2 / sum(part**2 / count for part, count in parts)
    return t_quantile(0.5 + confidence / 2, dof) * math.sqrt(squared)


ALPHA = 0.01  # chance of any false `differ` in all tables


@dataclass(frozen=True)
class RooflinePoint:
    """A case in the roofline plot of its own machine."""

    machine: str
    case: str
    samples_per_s: float
    position: Position


@dataclass(frozen=True)
class Across:
    """Cross-machine comparison of runs."""

    subjects: list[Subject]
    tables: list[RatioTable]
    counters: list[CounterComparison]
    placed: list[RooflinePoint]
    alpha: float


def across(
    subjects: Sequence[Subject], contrasts: Iterable[Contrast], alpha: float = ALPHA
) -> Across:
    """Cross-machine comparison of runs with the first of them.

    Args:
        subjects: at least one; contrasts without a case of the first are left out.
        contrasts: the contrasts, such as `labs.questions.CONTRASTS`.
        alpha: the chance of any false `differ` in all tables, in (0, 1).

    Raises:
        InputError: if alpha is not in (0, 1).
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha {alpha} is not between 0 and 1")
    first, *others = subjects
    return Across(
        list(subjects),
        ratio_tables(first, others, contrasts, alpha),
        [row for other in others for row in compare_counters(first, other)],
        [point for subject in subjects for point in _roofline_points(subject)],
        alpha,
    )


def _roofline_points(subject: Subject) -> Iterator[RooflinePoint]:
    machine = subject.run.machine_info.hpml
    for benchmark in subject.run.benchmarks:
        case = benchmark.measurement
        if case is not None and has_work(case):
            position = place(case, machine.ceilings if machine else {})
            rate = (case.samples or 0) / typical_s(case)
            yield RooflinePoint(subject.name, benchmark.name, rate, position)
