"""What a fresh process would measure of a case, from the processes that a saved run holds.

A process is one observation, its median. Rounds of a process say nothing about the next one: they
share its memory layout, its start, its minute. So the interval is a prediction interval over the
logs of process medians (e.g. Hahn & Meeker, Statistical Intervals, 1991, section 4.7),

    mean +- t(1 - share/2, dof) * s * sqrt(1 + 1/n)

with s^2 moderated by the other cases of the run (`moderation`), never below the case's own, and
the degrees of freedom of both: three processes know little of how far processes of their case lie
apart, and fifty cases know it together. That is exact for normal noise. Noise of machines has
heavier tails, where it would cover 92 to 94 % of the time at 95 %, and n processes are too few to
see them. So half of the allowed misses are kept back for the tails, and the interval also holds
every process that the run has seen.
`tests/analytic/test_interval_coverage.py` says how often the interval covers on which machine.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpml_lab.verdict.moderation import moderated
from hpml_lab.verdict.student import t_quantile

CONFIDENCE = 0.95
FEWEST_PROCESSES = 2
TAIL_SHARE = 0.5  # of the misses that the confidence allows


@dataclass(frozen=True)
class Interval:
    """Seconds of an iteration between which a fresh process's median lies."""

    low_s: float
    high_s: float

    def __contains__(self, median_s: float) -> bool:
        return self.low_s <= median_s <= self.high_s

    @property
    def relative_width(self) -> float:
        """How far the ends are apart, as a share of the lower one."""
        return self.high_s / self.low_s - 1


def fresh_process_interval(
    processes: Sequence[Sequence[float]], confidence: float = CONFIDENCE
) -> Interval | None:
    """Returns the interval of a single case; see `fresh_process_intervals`."""
    return fresh_process_intervals([processes], confidence)[0]


def fresh_process_intervals(
    cases: Sequence[Sequence[Sequence[float]]], confidence: float = CONFIDENCE
) -> list[Interval | None]:
    """Returns for each case of a run the interval that holds one more process's median.

    It speaks of processes like those seen: on this machine, in the state it was in while they ran.

    Args:
        cases: of each the seconds an iteration took in each round, by process; empty ones are left
            out.
        confidence: how often an interval is to hold, in (0, 1).

    Returns:
        None of a case with fewer than two processes: one says nothing about the next. None also
        where a median is not a positive number, as of a clock that stood still.
    """
    logs = [_logs(processes) for processes in cases]
    known = [values for values in logs if values is not None]
    if not known:
        return [None] * len(cases)
    variances = moderated(
        np.array([values.var(ddof=1) for values in known]),
        np.array([len(values) - 1.0 for values in known]),
    )
    ends = (
        _ends(values, float(variance), float(dof), confidence)
        for values, variance, dof in zip(known, variances.careful, variances.dof, strict=True)
    )
    return [None if values is None else next(ends) for values in logs]


def _logs(processes: Sequence[Sequence[float]]) -> NDArray[np.float64] | None:
    medians = process_medians(processes)
    usable = len(medians) >= FEWEST_PROCESSES and np.all(np.isfinite(medians) & (medians > 0))
    return np.log(medians) if usable else None


def _ends(values: NDArray[np.float64], variance: float, dof: float, confidence: float) -> Interval:
    misses = (1 - confidence) * TAIL_SHARE
    half_width = t_quantile(1 - misses / 2, dof) * math.sqrt(variance * (1 + 1 / len(values)))
    low = min(values.mean() - half_width, values.min())
    high = max(values.mean() + half_width, values.max())
    return Interval(float(np.exp(low)), float(np.exp(high)))


def process_medians(processes: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Returns the median of each process that has rounds, in their order."""
    return np.array([np.median(rounds) for rounds in processes if len(rounds)], np.float64)


def prediction_interval(
    values: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the two ends of the interval that holds the next value.

    Args:
        values: (..., n), n >= 2, on a scale on which noise adds: logs of medians.
        confidence: how often it is to hold, in (0, 1).

    Returns:
        two arrays of shape (...).
    """
    seen = np.asarray(values, np.float64)
    count = seen.shape[-1]
    misses = (1 - confidence) * TAIL_SHARE
    half_width = t_quantile(1 - misses / 2, count - 1) * math.sqrt(1 + 1 / count)
    centre, margin = seen.mean(-1), half_width * seen.std(-1, ddof=1)
    return (
        np.minimum(centre - margin, seen.min(-1)),
        np.maximum(centre + margin, seen.max(-1)),
    )
