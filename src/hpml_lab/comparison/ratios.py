"""Ratios within one machine: the cost of an optimizer, a mode or an additional worker.

Seconds of two machines show which of them is faster. A ratio on both machines shows whether a
result of one holds on the other too.
"""

import itertools
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hpml_lab.runs.cases import alike, lab_cases
from hpml_lab.runs.schema import Measurement, Run, Value
from hpml_lab.stats.intervals import FEWEST_PROCESSES, prediction_interval

_NORMAL = 1.4826  # standard deviation of a normal / its median absolute deviation


@dataclass(frozen=True)
class Contrast:
    """Contrast of cases that differ in one axis with the case at its reference value.

    Attributes:
        title: Title in words.
        group: Group of the benchmarks.
        axis: Axis in which the cases differ.
        reference: Value of the axis in the case that the others are divided by.
        beside: Axes that change together with the axis, or repeat the case.
        per_sample: Whether time is that of a sample; else that of an iteration, such as an epoch.
        readings: Byte counts that are compared, instead of time.
    """

    title: str
    group: str
    axis: str
    reference: Value
    beside: tuple[str, ...] = ()
    per_sample: bool = False
    readings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ratio:
    """Ratio of one case to its reference, on one machine.

    Attributes:
        level: Value of the contrast's axis.
        quantities: Seconds or bytes of the case and of the reference.
        value: Their ratio; for times, the geometric mean of the processes' ratios.
        logs: Log ratios, one for each process that measured both; empty for bytes.
        spread: Robust standard deviation of the ratio over the rounds of a single process, from
            median absolute deviations; None with more processes, or a single round.
        settings: Settings that the two cases share.
        reading: Name of the byte count; empty for time.
        warnings: Flags of the two cases.
    """

    level: Value
    quantities: tuple[float, float]
    value: float
    logs: list[float] = field(default_factory=list)
    spread: float | None = None
    settings: dict[str, Value] = field(default_factory=dict)
    reading: str = ""
    warnings: list[str] = field(default_factory=list)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % prediction interval for one further process; None with fewer than two processes."""
        if len(self.logs) < FEWEST_PROCESSES:
            return None
        low, high = prediction_interval(self.logs)
        return math.exp(low), math.exp(high)


def ratios(run: Run, contrast: Contrast) -> list[Ratio]:
    """Ratios of a run for a contrast; none without a reference case."""
    results: list[Ratio] = []
    cases = lab_cases(run, contrast.group, epochs=False)
    for sweep in alike(cases, contrast.axis, *contrast.beside):
        by_value = _by_value(sweep, contrast.axis)
        reference = by_value.pop(contrast.reference, None)
        if reference is not None:
            for value, case in by_value.items():
                results += _ratios(contrast, value, case, reference)
    return results


def _by_value(sweep: Iterable[Measurement], axis: str) -> dict[Value, Measurement]:
    """One case for each value; repeats in a process, as with several seeds, become its rounds."""
    repeats: dict[Value, list[Measurement]] = {}
    for case in sweep:
        if axis in case.case:
            repeats.setdefault(case.case[axis], []).append(case)
    return {value: _pooled(cases) for value, cases in repeats.items()}


def _pooled(cases: list[Measurement]) -> Measurement:
    first, *others = cases
    if not others:
        return first
    by_process = itertools.zip_longest(*(case.processes for case in cases), fillvalue=[])
    rounds = [list(itertools.chain.from_iterable(repeats)) for repeats in by_process]
    return Measurement(
        first.case, first.samples, rounds, first.counters, first.memory, flags=first.flags
    )


def _ratios(
    contrast: Contrast, value: Value, case: Measurement, reference: Measurement
) -> Iterator[Ratio]:
    settings = {
        name: setting
        for name, setting in reference.case.items()
        if name not in (contrast.axis, *contrast.beside)
    }
    warnings = [*dict.fromkeys([*case.flags, *reference.flags])]
    for reading in contrast.readings:
        sizes = [_bytes(side).get(reading, 0) for side in (case, reference)]
        if all(size > 0 for size in sizes):
            pair = (float(sizes[0]), float(sizes[1]))
            yield Ratio(
                value,
                pair,
                pair[0] / pair[1],
                settings=settings,
                reading=reading,
                warnings=warnings,
            )
    timed = None if contrast.readings else _timed(case, reference, contrast.per_sample)
    if timed is not None:
        (seconds, logs), spread = timed, _spread(case, reference)
        typical = math.exp(statistics.fmean(logs))
        yield Ratio(value, seconds, typical, logs, spread, settings, warnings=warnings)


def _bytes(case: Measurement) -> Mapping[str, int]:
    return case.counters | case.memory


def _timed(
    case: Measurement, reference: Measurement, per_sample: bool
) -> tuple[tuple[float, float], list[float]] | None:
    """Median seconds of both, and the log ratio in every process that measured both."""
    works = [side.samples or 1 if per_sample else 1 for side in (case, reference)]
    pairs = [
        (statistics.median(contender) / works[0], statistics.median(baseline) / works[1])
        for contender, baseline in zip(case.processes, reference.processes, strict=False)
        if contender and baseline
    ]
    pairs = [pair for pair in pairs if all(math.isfinite(s) and s > 0 for s in pair)]
    if not pairs:
        return None
    contenders, baselines = zip(*pairs, strict=True)
    logs = [math.log(contender / baseline) for contender, baseline in pairs]
    return (statistics.median(contenders), statistics.median(baselines)), logs


def _spread(case: Measurement, reference: Measurement) -> float | None:
    """Robust standard deviation of the ratio over rounds, by propagation of errors."""
    measured = [[rounds for rounds in side.processes if rounds] for side in (case, reference)]
    if any(len(processes) != 1 or len(processes[0]) < 2 for processes in measured):
        return None
    contender, baseline = (rounds for (rounds,) in measured)
    share = math.hypot(_deviation(contender), _deviation(baseline))
    return statistics.median(contender) / statistics.median(baseline) * share


def _deviation(rounds: list[float]) -> float:
    """Robust standard deviation as a share of the median; a few slow rounds do not change it."""
    middle = statistics.median(rounds)
    return _NORMAL * statistics.median(abs(s - middle) for s in rounds) / middle
