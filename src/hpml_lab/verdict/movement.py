"""How much the machine itself moved between two sides, in all cases alike.

A machine gets warmer, is throttled, or gets neighbours. Within a run this shows as what all cases
of a process have in common. One process and the next differ by it; two runs lie farther apart, by
as much as a walk of such steps, and a steady trend, would take the machine (`within_runs`). Several
runs on one side, or a history of the machine, show the distance itself (`between_runs`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from hpml_lab.verdict.moderation import moderated
from hpml_lab.verdict.student import t_quantiles

Array = NDArray[np.float64]
Side = Sequence[Array]

FEWEST_CASES = 2  # fewer have too little in common to tell the machine's movement from their own
FEWEST_PAIRS = 2
ENOUGH_STEPS = 5  # between runs: fewer of a history say nothing, as code may have changed in one
NORMAL_MAD = 1.4826  # standard deviation of a normal by its median absolute deviation
MAD_EFFICIENCY = 0.37
STEP_EFFICIENCY = 2 / 3  # of a variance by steps, which share their ends (von Neumann 1941)


@dataclass(frozen=True)
class Movement:
    """The standard error that the machine adds to every change (...), in logs.

    Attributes:
        error: 0 where it stood still.
        dof: how many steps it was seen in.
    """

    error: Array
    dof: Array

    @staticmethod
    def none() -> "Movement":
        """Returns that of a machine that stood still."""
        return Movement(np.asarray(0.0), np.asarray(1.0))

    def or_longer(self, other: "Movement") -> "Movement":
        """Returns the other one if it was seen in enough steps; else the longer of both."""
        prefer = (other.dof >= ENOUGH_STEPS) | (other._length > self._length)
        return Movement(
            np.where(prefer, other.error, self.error),
            np.maximum(np.where(prefer, other.dof, self.dof), 1.0),
        )

    @property
    def _length(self) -> Array:
        return np.asarray(t_quantiles(0.995, self.dof) * self.error, np.float64)


def within_runs(base: Side, new: Side) -> Movement:
    """Returns what the steps from process to process would make of the way between two sides."""
    runs = [run for run in (*base, *new) if run.shape[-1] > 1]
    cases = min((run.shape[-2] for run in runs), default=0)
    if cases < FEWEST_CASES:
        return Movement.none()
    steps = np.concatenate([np.diff(_common(run), axis=-1) for run in runs], -1)
    lengths = [sum(run.shape[-1] for run in side) for side in (base, new)]
    walk, trend = _walk(*lengths), (sum(lengths) / 2) ** 2
    noise = np.mean([_own_noise(run) for run in runs], 0) / cases
    moved = walk * ((steps**2).mean(-1) - 2 * noise)
    # The mean step of a run is between its two ends, so it holds their noise alone.
    ends = 2 * noise * len(runs) / steps.shape[-1] ** 2
    straight = trend * (steps.mean(-1) ** 2 - ends)
    error = np.sqrt(np.maximum(moved, 0) + np.maximum(straight, 0))
    return Movement(error, np.full_like(error, steps.shape[-1]))


def of_pairs(pairs: Array) -> Movement:
    """Returns what the machine adds to the mean difference of pairs, (..., cases, pairs).

    One of a pair runs before the other, so a machine that moves does so within pairs too.
    """
    cases, count = pairs.shape[-2:]
    if cases < FEWEST_CASES or count < FEWEST_PAIRS:
        return Movement.none()
    square = (_common(pairs) ** 2).sum(-1) / (count - 1) - _own_noise(pairs) / cases
    error = np.sqrt(np.maximum(square, 0) / count)
    return Movement(error, np.full_like(error, count - 1))


def _walk(base: int, new: int) -> float:
    """Returns the variance between the means of two runs, next to each other, on one random walk.

    In units of a step's variance: a step is in the difference of the means with the share of the
    processes that lie beyond it.
    """
    return 1 + sum(sum((i / n) ** 2 for i in range(1, n)) for n in (base, new))


def between_runs(base: Side, new: Side, history: Side) -> Movement:
    """Returns how far runs of one code lie apart, in all cases alike."""
    steps, dof = _steps([base, new], history)
    if not dof:
        return Movement.none()
    square = _typical_square(_mean(steps, -2), dof)
    return Movement(np.sqrt(square * _sharing([base, new]) / 2), np.full(square.shape, dof))


def case_apart(sides: Sequence[Side], history: Side, variance: Array, dof: Array) -> Array | float:
    """Returns how far runs of one code lie apart in each case for itself: a variance (..., cases).

    It is what steps between runs have beside the variance of their processes.

    Args:
        sides: runs of each side, (..., cases, processes) each.
        history: earlier runs.
        variance: of a process of each case (..., cases).
        dof: its degrees of freedom.
    """
    steps, seen = _steps(sides, history)
    if not seen:
        return 0.0
    own = _typical_square(steps - _mean(steps, -2)[..., None, :], seen)
    step = moderated(own, np.where(dof > 0, seen, 0.0)).variance
    sizes = [run.shape[-1] for run in chain(*sides, history)]
    beside = step / 2 - variance * float(np.mean([1 / size for size in sizes]))
    return np.maximum(beside, 0) * _sharing(sides)


def _sharing(sides: Sequence[Side]) -> float:
    return sum(1 / len(side) for side in sides)


def _steps(sides: Sequence[Side], history: Side) -> tuple[Array, float]:
    """Returns steps (..., cases, steps) from run to run of one code, and their degrees of freedom.

    Those of a history are taken where there are enough; they are worth less, because the code may
    have changed in some. Otherwise those of the sides.
    """
    earlier = _changes(history)
    if len(earlier) >= ENOUGH_STEPS:
        return np.stack(earlier, -1), MAD_EFFICIENCY * len(earlier)
    own = [step for side in sides for step in _changes(side)]
    return (np.stack(own, -1), STEP_EFFICIENCY * len(own)) if own else (np.empty(0), 0.0)


def _changes(runs: Side) -> list[Array]:
    """Returns the change of each case from run to run; that of all in common where it has none."""
    return [_filled(later - earlier) for earlier, later in pairwise(map(_level, runs))]


def _level(run: Array) -> Array:
    return np.where(np.isfinite(run).any(-1), _mean(run, -1), np.nan)


def _filled(change: Array) -> Array:
    return np.where(np.isfinite(change), change, _mean(change, -1)[..., None])


def _typical_square(steps: Array, dof: float) -> Array:
    """Returns the variance of steps; robustly those of a history."""
    if dof < STEP_EFFICIENCY * steps.shape[-1]:
        return np.asarray((NORMAL_MAD * np.median(np.abs(steps), -1)) ** 2)
    return np.asarray((steps**2).mean(-1))


def _common(run: Array) -> Array:
    """Returns what each process has in common in all cases, (..., processes)."""
    return _mean(run - _mean(run, -1)[..., None], -2)


def _own_noise(run: Array) -> Array:
    """Returns the mean variance of a process of one case beside what is common (...)."""
    rest = run - _mean(run, -1)[..., None] - _common(run)[..., None, :]
    cases, processes = run.shape[-2:]
    share = (cases - 1) * (processes - 1) / (cases * processes)
    return np.asarray(_mean(_mean(rest**2, -1), -1) / share, np.float64)


def _mean(values: Array, axis: int) -> Array:
    """Returns the mean of what is there; 0 of nothing."""
    there = np.isfinite(values)
    return np.asarray(
        np.where(there, values, 0).sum(axis) / np.maximum(there.sum(axis), 1), np.float64
    )
