"""Outliers: processes that are much slower than others of their case, as next to other jobs.

If they are fewer than half of a run's processes, they are excluded: the others show the time of the
code. If they are the majority, nobody can know, and none is excluded: the variance is large then.

If all processes of a side are outliers, not even the variance shows it. If 5 % of processes are
outliers, independently in every case, all three of a side are with a chance of 1 in 8,000, and
among fifty cases with two sides in more than 1 % of comparisons. The suite as a whole shows how
often and by how much processes of single cases are slow. If that is too often, intervals are wider
by that much: the outlier allowance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

FAR = 10.0  # standard deviations
LEAST = 0.02  # in logs: a smaller excess is no outlier, however steady the rest
_CASE_QUANTILE = 0.75  # of the cases' standard deviations; taken for any case with a smaller one
_LOW_MEDIAN_PER_SD = 0.7  # low median of the deviations from the median, in standard deviations
_ALPHA_SHARE = 0.25
_FEWEST_LEFT = 2


@dataclass(frozen=True)
class Outliers:
    """Outliers of some runs.

    Attributes:
        runs: The runs, with NaN in place of excluded values.
        excluded: Number of excluded values of each run, arrays (...).
        max_excess: Largest excess of an outlier over the others of its case, in logs, (...).
        share: Share of processes that were outliers in single cases, (...).
    """

    runs: list[Array]
    excluded: list[Array]
    max_excess: Array
    share: Array

    def allowance(self, fewest: Array, alpha: float) -> Array:
        """Outlier allowance: extra half-width in case all processes of a side are outliers (...).

        It is 0 if the chance of such a side is below a quarter of alpha.

        Args:
            fewest: number of processes of the smaller side of each case (..., cases), excluded ones
                included; 0 for a case that is not compared.
            alpha: the chance of any false alarm.
        """
        chance = np.where(fewest > 0, 2 * self.share[..., None] ** fewest, 0).sum(-1)
        return np.where(chance > _ALPHA_SHARE * alpha, self.max_excess, 0.0)


def find_outliers(runs: Sequence[Array], *, both_ways: bool = False) -> Outliers:
    """Outlier processes of some runs, and how often they occur.

    Args:
        runs: arrays (..., cases, processes), in logs; NaN where a case has no such process.
        both_ways: whether much faster processes count too, as in differences of pairs.
    """
    excess = [run - _low_median(run)[..., None] for run in runs]
    distance = np.abs(np.concatenate(excess, -1))
    deviation = _robust_deviation(distance, len(runs))
    usual = np.quantile(deviation, _CASE_QUANTILE, axis=-1, keepdims=True)
    limit = np.maximum(FAR * np.maximum(deviation, usual), LEAST)[..., None]
    slow = [np.nan_to_num(np.abs(run) if both_ways else run, nan=0.0) > limit for run in excess]
    slow_processes = [
        _slow_in_most_cases(flags, run) for flags, run in zip(slow, runs, strict=True)
    ]
    excluded = [
        _minority((flags | whole) & np.isfinite(run), run)
        for flags, whole, run in zip(slow, slow_processes, runs, strict=True)
    ]
    all_slow, single = np.concatenate(slow, -1), ~np.concatenate(slow_processes, -1)
    finite = np.isfinite(distance)
    return Outliers(
        [np.where(flags, np.nan, run) for flags, run in zip(excluded, runs, strict=True)],
        [np.asarray(flags.sum((-1, -2)), np.float64) for flags in excluded],
        np.where(all_slow, np.nan_to_num(distance), 0).max((-1, -2), initial=0),
        np.asarray((all_slow & single).sum((-1, -2)) / np.maximum(finite.sum((-1, -2)), 1)),
    )


def _slow_in_most_cases(slow: Flags, run: Array) -> Flags:
    """Flags of processes that were slow in most of their cases, (..., 1, processes)."""
    count = np.isfinite(run).sum(-2, keepdims=True)
    return np.asarray(slow.sum(-2, keepdims=True) > count / 2)


def _minority(slow: Flags, run: Array) -> Flags:
    """The flags where they are fewer than half of the processes and leave two or more."""
    count = slow.sum(-1, keepdims=True)
    remaining = np.isfinite(run).sum(-1, keepdims=True) - count
    return np.asarray(slow & (count < remaining) & (remaining >= _FEWEST_LEFT))


def _low_median(run: Array) -> Array:
    ordered = np.sort(run, -1)  # NaN last
    index = np.maximum(np.isfinite(run).sum(-1) - 1, 0) // 2
    return np.asarray(np.take_along_axis(ordered, index[..., None], -1)[..., 0])


def _robust_deviation(distance: Array, runs: int) -> Array:
    """Robust standard deviation between the processes of each case, from their low median.

    Every run has one distance of 0: that of its median itself, which does not count.
    """
    ordered = np.sort(distance, -1)
    count = np.maximum(np.isfinite(distance).sum(-1) - runs, 1)
    index = np.minimum(runs + (count - 1) // 2, distance.shape[-1] - 1)
    median = np.take_along_axis(ordered, index[..., None], -1)[..., 0]
    return np.asarray(np.nan_to_num(median) / _LOW_MEDIAN_PER_SD, np.float64)
