"""Ratios within one machine: what an optimizer, a mode, a worker more costs there.

Seconds of two machines say which of them is faster. A ratio on each says whether what was found on
one holds on the other too.
"""

import itertools
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hpml_lab.history.cases import alike, lab_cases
from hpml_lab.history.run import Run
from hpml_lab.measure.record import Measurement, Value
from hpml_lab.verdict.intervals import FEWEST_PROCESSES, prediction_interval

_NORMAL = 1.4826  # standard deviations of normal noise in a median absolute one


@dataclass(frozen=True)
class Question:
    """What is set against what.

    Attributes:
        title: in words.
        group: the benchmarks' group.
        axis: what the two cases differ in.
        reference: its value in the case that the others are divided by.
        beside: axes that come with the axis, or repeat the case.
        per_sample: whether time is that of a sample; else that of an iteration, such as an epoch.
        readings: bytes that are compared, instead of time.
    """

    title: str
    group: str
    axis: str
    reference: Value
    beside: tuple[str, ...] = ()
    per_sample: bool = False
    readings: tuple[str, ...] = ()


_MEMORY = ("tracked_peak_bytes", "peak_allocated_bytes", "device_used_bytes")
_SWEEP = ("images", "learning_rate", "seed")
QUESTIONS = (
    Question("Optimizers: time of an epoch", "optimizers", "optimizer", "sgd-momentum"),
    Question("Batch norm: time of an epoch", "batch_norm", "batch_norm", True),
    Question("Compile modes: time of a later epoch", "compile_modes", "compile_mode", "eager"),
    Question("Loader workers: time of an epoch", "workers", "workers", 0),
    Question("Device: time of an epoch", "device", "device", "cuda", ("pin_memory",)),
    Question("Batch size: step time of a sample", "batch_size", "batch_size", 16, _SWEEP, True),
    Question("Batch size: epoch time of a sample", "batch_learning", "batch_size", 4, _SWEEP, True),
    Question("Optimizers: memory of a step", "memory_plan", "optimizer", "sgd", readings=_MEMORY),
    Question(
        "Batch size: memory of a step", "memory_plan", "batch_size", 4, _SWEEP, readings=_MEMORY
    ),
)


@dataclass(frozen=True)
class Ratio:
    """One case over its reference, on one machine.

    Attributes:
        of: the value of the question's axis.
        quantities: seconds or bytes of the case and of the reference.
        value: their ratio; of times, the geometric mean of the processes' ratios.
        logs: log ratios, one for each process that measured both; empty for bytes.
        spread: deviation of the ratio over the rounds of the one process, from median absolute
            deviations; None where there are more processes, or a single round.
        settings: what the two cases share.
        reading: which bytes; empty for time.
        warnings: why the numbers may not be what they seem.
    """

    of: Value
    quantities: tuple[float, float]
    value: float
    logs: list[float] = field(default_factory=list)
    spread: float | None = None
    settings: dict[str, Value] = field(default_factory=dict)
    reading: str = ""
    warnings: list[str] = field(default_factory=list)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Between what a fresh process's ratio lies; None with fewer than two processes."""
        if len(self.logs) < FEWEST_PROCESSES:
            return None
        low, high = prediction_interval(self.logs)
        return math.exp(low), math.exp(high)


def ratios(run: Run, question: Question) -> list[Ratio]:
    """Returns a run's ratios for a question; none where it has no case to divide by."""
    found: list[Ratio] = []
    cases = lab_cases(run, question.group, epochs=False)
    for sweep in alike(cases, question.axis, *question.beside):
        by_value = _by_value(sweep, question.axis)
        reference = by_value.pop(question.reference, None)
        if reference is not None:
            for value, case in by_value.items():
                found += _ratios(question, value, case, reference)
    return found


def _by_value(sweep: Iterable[Measurement], axis: str) -> dict[Value, Measurement]:
    """Returns one case for each value; repeats of it in a process, as by seed, are its rounds."""
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
    rounds = [list(itertools.chain.from_iterable(each)) for each in by_process]
    return Measurement(
        first.case, first.samples, rounds, first.counters, first.memory, flags=first.flags
    )


def _ratios(
    question: Question, value: Value, case: Measurement, reference: Measurement
) -> Iterator[Ratio]:
    settings = {
        name: setting
        for name, setting in reference.case.items()
        if name not in (question.axis, *question.beside)
    }
    warnings = [*dict.fromkeys([*case.flags, *reference.flags])]
    for reading in question.readings:
        sizes = [_bytes(each).get(reading, 0) for each in (case, reference)]
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
    timed = None if question.readings else _timed(case, reference, question.per_sample)
    if timed is not None:
        (seconds, logs), spread = timed, _spread(case, reference)
        typical = math.exp(statistics.fmean(logs))
        yield Ratio(value, seconds, typical, logs, spread, settings, warnings=warnings)


def _bytes(case: Measurement) -> Mapping[str, int]:
    return case.counters | case.memory


def _timed(
    case: Measurement, reference: Measurement, per_sample: bool
) -> tuple[tuple[float, float], list[float]] | None:
    """Returns typical seconds of both, and the log ratio in each process that measured both."""
    works = [each.samples or 1 if per_sample else 1 for each in (case, reference)]
    pairs = [
        (statistics.median(one) / works[0], statistics.median(other) / works[1])
        for one, other in zip(case.processes, reference.processes, strict=False)
        if one and other
    ]
    pairs = [pair for pair in pairs if all(math.isfinite(s) and s > 0 for s in pair)]
    if not pairs:
        return None
    ones, others = zip(*pairs, strict=True)
    logs = [math.log(one / other) for one, other in pairs]
    return (statistics.median(ones), statistics.median(others)), logs


def _spread(case: Measurement, reference: Measurement) -> float | None:
    """Returns the ratio's deviation over rounds, by the rule for products of errors."""
    measured = [[rounds for rounds in each.processes if rounds] for each in (case, reference)]
    if any(len(processes) != 1 or len(processes[0]) < 2 for processes in measured):
        return None
    one, other = (rounds for (rounds,) in measured)
    share = math.hypot(_deviation(one), _deviation(other))
    return statistics.median(one) / statistics.median(other) * share


def _deviation(rounds: list[float]) -> float:
    """Returns the deviation as a share of the median; a few slow rounds do not change it."""
    middle = statistics.median(rounds)
    return _NORMAL * statistics.median(abs(s - middle) for s in rounds) / middle
