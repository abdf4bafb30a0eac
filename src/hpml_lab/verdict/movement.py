"""How much the machine itself moved between two sides, in all cases alike.

A machine gets warmer, is throttled, or gets neighbours. Within a run this shows as what all cases
of a process have in common. One process and the next differ by it; two runs lie farther apart, by
as much as a walk of such steps, and a steady trend, would take the machine (`within_runs`). Several
runs on one side, or a history of the machine, show the distance itself (`between_runs`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Side = Sequence[Array]

FEWEST_CASES = 5  # fewer have too little in common to tell the machine's movement from their own
ENOUGH_STEPS = 5  # between runs, to need no guess from within them
NORMAL_MAD = 1.4826  # standard deviation of a normal by its median absolute deviation
MAD_EFFICIENCY = 0.37


@dataclass(frozen=True)
class Movement:
    """The standard error that the machine adds to every change (...), in logs.

    Attributes:
        error: 0 where it stood still.
        freedom: how many steps it was seen in.
    """

    error: Array
    freedom: Array

    @staticmethod
    def none() -> "Movement":
        """Returns that of a machine that stood still."""
        return Movement(np.asarray(0.0), np.asarray(1.0))

    def or_longer(self, other: "Movement") -> "Movement":
        """Returns the other one if it was seen in enough steps; else the larger of both."""
        prefer = (other.freedom >= ENOUGH_STEPS) | (other.error > self.error)
        return Movement(
            np.where(prefer, other.error, self.error),
            np.maximum(np.where(prefer, other.freedom, self.freedom), 1.0),
        )


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


def _walk(base: int, new: int) -> float:
    """Returns the variance between the means of two runs, next to each other, on one random walk.

    In units of a step's variance: a step is in the difference of the means with the share of the
    processes that lie beyond it.
    """
    return 1 + sum(sum((i / n) ** 2 for i in range(1, n)) for n in (base, new))


def between_runs(base: Side, new: Side, history: Side) -> Movement:
    """Returns how far runs of one code lie apart: those of a side, and robustly a history's."""
    sides = [step for side in (base, new) for step in _steps(side)]
    earlier = _steps(history)
    found = Movement.none()
    if sides:
        steps = np.stack(sides, -1)
        found = Movement(np.sqrt((steps**2).mean(-1)), np.asarray(float(len(sides))))
    if earlier:
        steps = np.abs(np.stack(earlier, -1))
        error = NORMAL_MAD * np.median(steps, -1)
        found = found.or_longer(Movement(error, np.asarray(MAD_EFFICIENCY * len(earlier))))
    return found


def _steps(runs: Side) -> list[Array]:
    """Returns the change of all cases in common, from each run to the next."""
    levels = [np.where(np.isfinite(run), run, np.nan) for run in runs]
    return [_mean(_mean(later, -1) - _mean(earlier, -1), -1) for earlier, later in pairwise(levels)]


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
