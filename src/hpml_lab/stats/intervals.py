"""Prediction intervals for the median of one further process, from the processes of a saved run.

A process is one observation, its median. Rounds of a process say nothing about the next one: they
share its memory layout, its start, its minute. So the interval is a prediction interval over the
logs of process medians (e.g. Hahn & Meeker, Statistical Intervals, 1991, section 4.7),

    mean +- t(1 - share/2, dof) * s * sqrt(1 + 1/n)

with s^2 shrunken towards the variances of the other cases of the run (`shrinkage`), never below the
case's own, and with the degrees of freedom of both: three processes give a poor estimate of the
standard deviation between processes of their case, fifty cases together give a good one. That is
exact for normal noise. Noise of machines has heavier tails, where the interval would cover 92 to
94 % of the time at 95 %, and n processes are too few to show them. So half of the allowed misses
are reserved for the tails, and the interval also contains every process of the run.
`tests/analytic/test_interval_coverage.py` measures the coverage on each machine.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpml_lab.stats.shrinkage import shrink, t_quantile

CONFIDENCE = 0.95
FEWEST_PROCESSES = 2
TAIL_SHARE = 0.5  # of the misses that the confidence allows


@dataclass(frozen=True)
class Interval:
    """Prediction interval for the median of one further process, in seconds of an iteration."""

    low_s: float
    high_s: float

    def __contains__(self, median_s: float) -> bool:
        return self.low_s <= median_s <= self.high_s

    @property
    def relative_width(self) -> float:
        """Width as a share of the lower end."""
        return self.high_s / self.low_s - 1


def fresh_process_interval(
    processes: Sequence[Sequence[float]], confidence: float = CONFIDENCE
) -> Interval | None:
    """Prediction interval of a single case; see `fresh_process_intervals`."""
    return fresh_process_intervals([processes], confidence)[0]


def fresh_process_intervals(
    cases: Sequence[Sequence[Sequence[float]]], confidence: float = CONFIDENCE
) -> list[Interval | None]:
    """Prediction interval for the median of one further process, for each case of a run.

    It is valid for processes like the measured ones: on this machine, in the state that it was in
    while they ran.

    Args:
        cases: for each case the seconds of an iteration in each round, by process; empty processes
            are left out.
        confidence: coverage of an interval, in (0, 1).

    Returns:
        an interval for each case; None for a case with fewer than two processes, since one says
        nothing about the next, and for a case with a median that is no positive number.
    """
    logs = [_logs(processes) for processes in cases]
    known = [values for values in logs if values is not None]
    if not known:
        return [None] * len(cases)
    variances = shrink(
        np.array([values.var(ddof=1) for values in known]),
        np.array([len(values) - 1.0 for values in known]),
    )
    ends = (
        _ends(values, float(variance), float(dof), confidence)
        for values, variance, dof in zip(known, variances.conservative, variances.dof, strict=True)
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
    """Median of each process that has rounds, in their order."""
    return np.array([np.median(rounds) for rounds in processes if len(rounds)], np.float64)


def prediction_interval(
    values: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Prediction interval for the next value.

    Args:
        values: (..., n), n >= 2, on a scale on which noise adds: logs of medians.
        confidence: its coverage, in (0, 1).

    Returns:
        the lower and the upper end, arrays of shape (...).
    """
    observed = np.asarray(values, np.float64)
    count = observed.shape[-1]
    misses = (1 - confidence) * TAIL_SHARE
    half_width = t_quantile(1 - misses / 2, count - 1) * math.sqrt(1 + 1 / count)
    centre, margin = observed.mean(-1), half_width * observed.std(-1, ddof=1)
    return (
        np.minimum(centre - margin, observed.min(-1)),
        np.maximum(centre + margin, observed.max(-1)),
    )
