"""Processes that are much slower than others of their case, as on a runner with neighbours.

Where they are fewer than half of a run's, they are left out: the others say what the code takes.
Where they are most of them, nobody can know, and nothing is left out; the variance then says so.

Where all processes of a side are slow, not even the variance says so. If 5 % of processes are slow,
each case for itself, three of a side all are once in 8,000 times, and among fifty cases with two
sides in more than 1 % of comparisons. The suite as a whole does know how often processes of single
cases are slow and by how much, so where that is too often, intervals are longer by that much.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

FAR = 10.0  # standard deviations
LEAST = 0.02  # in logs: nothing is much slower by less, however steady the rest
_OF_CASES = 0.75  # have a smaller one than what is taken for all
_NEAR_SHARE = 0.7  # the lower median of what lies off the median, in standard deviations
_OF_ALPHA = 0.25
_FEWEST_LEFT = 2


@dataclass(frozen=True)
class Outliers:
    """What was slow in some runs.

    Attributes:
        runs: the runs, NaN in place of what is left out.
        excluded: how many in each run, (...) each.
        max_excess: by how much the slowest was slower than others of its case, (...).
        share: of processes that were slow in single cases, (...).
    """

    runs: list[Array]
    excluded: list[Array]
    max_excess: Array
    share: Array

    def allowance(self, fewest: Array, alpha: float) -> Array:
        """Returns by how much a side may be slower because all its processes were slow ones (...).

        It is 0 where the chance of such a side is below a quarter of alpha.

        Args:
            fewest: processes of the shorter side of each case (..., cases), those left out
                included; 0 of a case that is not compared.
            alpha: the chance of any false alarm.
        """
        chance = np.where(fewest > 0, 2 * self.share[..., None] ** fewest, 0).sum(-1)
        return np.where(chance > _OF_ALPHA * alpha, self.max_excess, 0.0)


def find_outliers(runs: Sequence[Array], *, both_ways: bool = False) -> Outliers:
    """Returns what was slow.

    Args:
        runs: each (..., cases, processes), in logs; NaN where there is none.
        both_ways: whether what is much faster counts too, as in differences of pairs.
    """
    excess = [run - _lower_median(run)[..., None] for run in runs]
    distance = np.abs(np.concatenate(excess, -1))
    near = _near(distance, len(runs))
    usual = np.quantile(near, _OF_CASES, axis=-1, keepdims=True)
    least = np.maximum(FAR * np.maximum(near, usual), LEAST)[..., None]
    far = [np.nan_to_num(np.abs(each) if both_ways else each, nan=0.0) > least for each in excess]
    together = [_together(slow, run) for slow, run in zip(far, runs, strict=True)]
    out = [
        _minority((slow | whole) & np.isfinite(run), run)
        for slow, whole, run in zip(far, together, runs, strict=True)
    ]
    every, alone = np.concatenate(far, -1), ~np.concatenate(together, -1)
    there = np.isfinite(distance)
    return Outliers(
        [np.where(slow, np.nan, run) for slow, run in zip(out, runs, strict=True)],
        [np.asarray(slow.sum((-1, -2)), np.float64) for slow in out],
        np.where(every, np.nan_to_num(distance), 0).max((-1, -2), initial=0),
        np.asarray((every & alone).sum((-1, -2)) / np.maximum(there.sum((-1, -2)), 1)),
    )


def _together(slow: Flags, run: Array) -> Flags:
    """Returns which processes were slow in most of their cases, (..., 1, processes)."""
    there = np.isfinite(run).sum(-2, keepdims=True)
    return np.asarray(slow.sum(-2, keepdims=True) > there / 2)


def _minority(slow: Flags, run: Array) -> Flags:
    """Returns what is slow where it is fewer than half, and leaves two or more."""
    count = slow.sum(-1, keepdims=True)
    left = np.isfinite(run).sum(-1, keepdims=True) - count
    return np.asarray(slow & (count < left) & (left >= _FEWEST_LEFT))


def _lower_median(run: Array) -> Array:
    ordered = np.sort(run, -1)  # NaN last
    index = np.maximum(np.isfinite(run).sum(-1) - 1, 0) // 2
    return np.asarray(np.take_along_axis(ordered, index[..., None], -1)[..., 0])


def _near(distance: Array, runs: int) -> Array:
    """Returns a standard deviation that a slow process does not touch; each run has one 0."""
    ordered = np.sort(distance, -1)
    off = np.maximum(np.isfinite(distance).sum(-1) - runs, 1)
    index = np.minimum(runs + (off - 1) // 2, distance.shape[-1] - 1)
    near = np.take_along_axis(ordered, index[..., None], -1)[..., 0]
    return np.asarray(np.nan_to_num(near) / _NEAR_SHARE, np.float64)
