"""Processes that are much slower than others of their case, as on a runner with neighbours.

If 5 % of processes are slow, three of a side all are once in 8,000 times; among fifty cases and two
sides that happens in more than 1 % of comparisons, and looks like a regression in every respect. No
estimate of a case's own variance can know. The suite as a whole does: it shows how often processes
are slow, and by how much.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FAR = 6.0  # standard deviations
_NEAR_SHARE = 0.7  # the lower median of what lies off the median, in standard deviations


def slowness(runs: Sequence[Array], usual: Array, fewest: Array, alpha: float) -> Array:
    """Returns by how much a side may be slower because all its processes were slow ones (...).

    It is 0 where none was slow, or where for all of a side to be slow has a chance below a quarter
    of alpha.

    Args:
        runs: each (..., cases, processes), in logs.
        usual: the suite's variance of a process (...).
        fewest: processes of the shorter side of each case (..., cases); 0 of one not compared.
        alpha: the chance of any false alarm.
    """
    excess = np.concatenate([run - _lower_median(run)[..., None] for run in runs], -1)
    scale = np.maximum(np.sqrt(usual)[..., None], _near(np.abs(excess), len(runs)))
    slow = np.isfinite(excess) & (np.nan_to_num(excess) > FAR * scale[..., None])
    share = slow.sum((-1, -2)) / np.maximum(np.isfinite(excess).sum((-1, -2)), 1)
    chance = np.where(fewest > 0, 2 * share[..., None] ** fewest, 0).sum(-1)
    longest = np.where(slow, np.nan_to_num(excess), 0).max((-1, -2), initial=0)
    return np.where(chance > alpha / 4, longest, 0.0)


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
    return np.nan_to_num(near) / _NEAR_SHARE
