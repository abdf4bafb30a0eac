"""Drift of the machine between two sides, common to all cases.

A machine gets warmer, is throttled, or gets neighbours. Within a run this shows as the part that
all cases of a process have in common. It differs from one process to the next. Two runs differ by
more: by as much as a random walk of such steps, plus a linear trend, would give (`within_runs`).
Several runs on one side, or a history of the machine, show the difference itself (`between_runs`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from hpml_lab.stats.shrinkage import shrink, t_quantiles

Array = NDArray[np.float64]
Side = Sequence[Array]

FEWEST_CASES = 2  # with fewer, common drift cannot be distinguished from a case's own noise
FEWEST_PAIRS = 2
ENOUGH_STEPS = 5  # between runs; fewer of a history say nothing, as code may have changed in one
NORMAL_MAD = 1.4826  # standard deviation of a normal / its median absolute deviation
MAD_EFFICIENCY = 0.37
STEP_EFFICIENCY = 2 / 3  # of a variance by steps, which share ends (von Neumann 1941)


@dataclass(frozen=True)
class Drift:
    """Standard error that the machine's drift adds to every change, arrays (...), in logs.

    Attributes:
        error: Standard error; 0 without drift.
        dof: Degrees of freedom: the number of steps it was estimated from.
    """

    error: Array
    dof: Array

    @staticmethod
    def none() -> "Drift":
        """No drift."""
        return Drift(np.asarray(0.0), np.asarray(1.0))

    def larger_of(self, other: "Drift") -> "Drift":
        """The other if it rests on `ENOUGH_STEPS` steps; else that of the larger upper limit."""
        prefer = (other.dof >= ENOUGH_STEPS) | (other._upper_limit > self._upper_limit)
        return Drift(
            np.where(prefer, other.error, self.error),
            np.maximum(np.where(prefer, other.dof, self.dof), 1.0),
        )

    @property
    def _upper_limit(self) -> Array:
        return np.asarray(t_quantiles(0.995, self.dof) * self.error, np.float64)


def within_runs(base: Side, new: Side) -> Drift:
    """Drift between two sides, extrapolated from the steps between processes within their runs.

    It is the sum of a random walk and a linear trend.
    """
    runs = [run for run in (*base, *new) if run.shape[-1] > 1]
    cases = min((run.shape[-2] for run in runs), default=0)
    if cases < FEWEST_CASES:
        return Drift.none()
    steps = np.concatenate([np.diff(_common(run), axis=-1) for run in runs], -1)
    counts = [sum(run.shape[-1] for run in side) for side in (base, new)]
    walk_factor, trend_factor = _walk_variance(*counts), (sum(counts) / 2) ** 2
    noise = np.mean([_own_noise(run) for run in runs], 0) / cases
    walk = walk_factor * ((steps**2).mean(-1) - 2 * noise)
    # The mean step of a run is between its two ends, so it holds their noise alone.
    ends = 2 * noise * len(runs) / steps.shape[-1] ** 2
    trend = trend_factor * (steps.mean(-1) ** 2 - ends)
    error = np.sqrt(np.maximum(walk, 0) + np.maximum(trend, 0))
    return Drift(error, np.full_like(error, steps.shape[-1]))


def of_pairs(pairs: Array) -> Drift:
    """Drift within pairs: the standard error that it adds to their mean difference.

    One of a pair runs before the other, so the machine drifts within pairs too.

    Args:
        pairs: differences of pairs (..., cases, pairs).
    """
    cases, count = pairs.shape[-2:]
    if cases < FEWEST_CASES or count < FEWEST_PAIRS:
        return Drift.none()
    square = (_common(pairs) ** 2).sum(-1) / (count - 1) - _own_noise(pairs) / cases
    error = np.sqrt(np.maximum(square, 0) / count)
    return Drift(error, np.full_like(error, count - 1))


def _walk_variance(base: int, new: int) -> float:
    """Variance of the difference of the means of two adjacent runs on a random walk of unit steps.

    The weight of a step is the share of its run's processes that lie on the far side of it.
    """
    return 1 + sum(sum((i / n) ** 2 for i in range(1, n)) for n in (base, new))


def between_runs(base: Side, new: Side, history: Side) -> Drift:
    """Drift common to all cases, estimated from the steps between runs of the same code."""
    steps, dof = _steps([base, new], history)
    if not dof:
        return Drift.none()
    square = _typical_square(_mean(steps, -2), dof)
    return Drift(np.sqrt(square * _sharing([base, new]) / 2), np.full(square.shape, dof))


def case_apart(sides: Sequence[Side], history: Side, variance: Array, dof: Array) -> Array | float:
    """Variance between runs of the same code of each case on its own (..., cases).

    It is the variance of the steps between runs minus the part that their processes explain.

    Args:
        sides: runs of each side, every one (..., cases, processes).
        history: earlier runs.
        variance: variance of a process of each case (..., cases).
        dof: its degrees of freedom.
    """
    steps, step_dof = _steps(sides, history)
    if not step_dof:
        return 0.0
    own = _typical_square(steps - _mean(steps, -2)[..., None, :], step_dof)
    step = shrink(own, np.where(dof > 0, step_dof, 0.0)).variance
    sizes = [run.shape[-1] for run in chain(*sides, history)]
    excess = step / 2 - variance * float(np.mean([1 / size for size in sizes]))
    return np.maximum(excess, 0) * _sharing(sides)


def _sharing(sides: Sequence[Side]) -> float:
    return sum(1 / len(side) for side in sides)


def _steps(sides: Sequence[Side], history: Side) -> tuple[Array, float]:
    """Steps (..., cases, steps) between runs of the same code, and their degrees of freedom.

    Those of a history are used if there are enough; they count for less, because the code may have
    changed in some. Otherwise those of the two sides are used.
    """
    earlier = _changes(history)
    if len(earlier) >= ENOUGH_STEPS:
        return np.stack(earlier, -1), MAD_EFFICIENCY * len(earlier)
    own = [step for side in sides for step in _changes(side)]
    return (np.stack(own, -1), STEP_EFFICIENCY * len(own)) if own else (np.empty(0), 0.0)


def _changes(runs: Side) -> list[Array]:
    """Change of each case from run to run; the mean of all cases where a case has none."""
    return [_filled(later - earlier) for earlier, later in pairwise(map(_level, runs))]


def _level(run: Array) -> Array:
    return np.where(np.isfinite(run).any(-1), _mean(run, -1), np.nan)


def _filled(change: Array) -> Array:
    return np.where(np.isfinite(change), change, _mean(change, -1)[..., None])


def _typical_square(steps: Array, dof: float) -> Array:
    """Variance of steps; a robust estimate for those of a history."""
    if dof < STEP_EFFICIENCY * steps.shape[-1]:
        return np.asarray((NORMAL_MAD * np.median(np.abs(steps), -1)) ** 2)
    return np.asarray((steps**2).mean(-1))


def _common(run: Array) -> Array:
    """Mean deviation of all cases in each process, (..., processes)."""
    return _mean(run - _mean(run, -1)[..., None], -2)


def _own_noise(run: Array) -> Array:
    """Mean variance of a process of one case without the common part, (...)."""
    rest = run - _mean(run, -1)[..., None] - _common(run)[..., None, :]
    cases, processes = run.shape[-2:]
    share = (cases - 1) * (processes - 1) / (cases * processes)
    return np.asarray(_mean(_mean(rest**2, -1), -1) / share, np.float64)


def _mean(values: Array, axis: int) -> Array:
    """Mean of the finite values; 0 without any."""
    finite = np.isfinite(values)
    return np.asarray(
        np.where(finite, values, 0).sum(axis) / np.maximum(finite.sum(axis), 1), np.float64
    )
