"""How far two sides of processes lie apart, and how far chance alone could have put them.

Everything is in logs of process medians, so that differences are ratios, and for arrays of suites
at once: (..., cases, processes), NaN where a case has no such process. A side is a list of runs.

The interval of a case is difference +- reach with

    reach^2 = (q_case * spread)^2 + (q_suite * movement)^2

- spread^2 = s^2 (1/n + 1/n'), s^2 the variance between processes of a case, moderated by those of
  the suite; q_case is Student's quantile at alpha shared by all cases (Bonferroni).
- movement is what the machine itself moved meanwhile, in all cases alike (`verdict.movement`), so
  alpha need not be shared: q_suite is the quantile at alpha.

Where processes were seen that are much slower than the rest, so often that by chance all of a
side's could have been, the reach is longer by the slowest seen (`verdict.slowness`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpml_lab.verdict.moderation import moderated
from hpml_lab.verdict.movement import Movement, between_runs, within_runs
from hpml_lab.verdict.slowness import slowness
from hpml_lab.verdict.student import t_quantile

Array = NDArray[np.float64]
Side = Sequence[Array]

FEWEST_PROCESSES = 2
POWER = 0.9


@dataclass(frozen=True)
class Evidence:
    """What the processes of two sides say of each case; arrays (..., cases), in logs.

    Attributes:
        change: of the contender from the baseline; NaN without enough processes.
        reach: of the interval to both sides of the change.
        error: the standard error of the change, what the machine moved included.
        freedom: degrees of freedom of the error.
        shrinking: what a change must exceed to be seen, as far as more processes would make it
            smaller, by their square root; it adds to `lasting` in squares.
        lasting: as far as they would not, (...).
        slow: how much the reach was lengthened for slow processes, (...).
    """

    change: Array
    reach: Array
    error: Array
    freedom: Array
    shrinking: Array
    lasting: Array
    slow: Array

    def detectable(self, margin: float) -> Array:
        """Returns the change that would have been called one with a power of 90 %.

        It must clear no change at one end of the interval, and the margin at the other.

        Args:
            margin: in logs.
        """
        needed = np.maximum(self.reach, margin - self.reach)
        return needed + quantile(POWER, self.freedom) * self.error


def evidence(
    base: Side,
    new: Side,
    history: Side = (),
    *,
    alpha: float,
    paired: bool = False,
) -> Evidence:
    """Returns the evidence of two sides.

    Args:
        base: the runs of the baseline, each (..., cases, processes).
        new: those of the contender.
        history: earlier runs of the machine, oldest first, most of them of unchanged code.
        alpha: the chance of any false alarm in a suite.
        paired: whether process i of both sides ran next to each other, so that only the
            differences of such pairs count.
    """
    if paired:
        pairs = _pairs(base, new)
        return _of([pairs], [], mean_of(pairs), [count_of(pairs)], Movement.none(), alpha)
    base, new = together(base), together(new)
    sides = [np.concatenate(side, -1) for side in (base, new)]
    moved = within_runs(base, new).or_longer(between_runs(base, new, history))
    change = mean_of(sides[1]) - mean_of(sides[0])
    return _of([*base, *new], history, change, [*map(count_of, sides)], moved, alpha)


def _of(
    runs: Side, history: Side, change: Array, counts: Side, moved: Movement, alpha: float
) -> Evidence:
    """Returns the evidence of a change between means of so many processes."""
    fewest = np.min(counts, 0)
    compared = fewest >= FEWEST_PROCESSES
    squares, freedom = _pooled([*runs, *history])
    process = moderated(squares / np.maximum(freedom, 1), np.where(compared, freedom, 0))
    spread = np.sqrt(process.variance * sum(1 / np.maximum(count, 1) for count in counts))
    sharing = np.maximum(compared.sum(-1, keepdims=True), 1)
    each = quantile(1 - alpha / 2 / sharing, process.freedom)
    suite = quantile(1 - alpha / 2, moved.freedom) * moved.error
    slow = slowness(runs, process.usual, np.where(compared, fewest, 0), alpha)
    reach = np.hypot(each * spread, suite[..., None]) + slow[..., None]
    return Evidence(
        np.where(compared, change, np.nan),
        np.where(compared, reach, np.nan),
        np.hypot(spread, moved.error[..., None]),
        process.freedom,
        (each + quantile(POWER, process.freedom)) * spread,
        suite + quantile(POWER, moved.freedom) * moved.error,
        slow,
    )


def _pairs(base: Side, new: Side) -> Array:
    """Returns the differences of pairs, (..., cases, pairs); what has no partner is left out."""
    sides = [np.concatenate([*side], -1) for side in (base, new)]
    count = min(side.shape[-1] for side in sides)
    return np.asarray(sides[1][..., :count] - sides[0][..., :count], np.float64)


def together(side: Side) -> list[Array]:
    """Returns the runs of a side, those of a single process as if they were one run."""
    single = [run for run in side if run.shape[-1] == 1]
    several = [run for run in side if run.shape[-1] > 1]
    return [*several, np.concatenate(single, -1)] if single else several


def count_of(logs: Array) -> Array:
    """Returns how many processes each case has: (..., cases)."""
    return np.asarray(np.isfinite(logs).sum(-1), np.float64)


def mean_of(logs: Array) -> Array:
    """Returns the mean over the processes of each case; NaN without any."""
    count = count_of(logs)
    total = np.where(np.isfinite(logs), logs, 0).sum(-1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan), np.float64)


def quantile(probability: Array | float, freedom: Array) -> Array:
    """Returns Student's quantile for each pair; degrees are rounded down to two digits."""
    scale = 10.0 ** (np.floor(np.log10(np.clip(freedom, 1, 1e4))) - 1)
    rounded = np.floor(np.clip(freedom, 1, 1e4) / scale) * scale
    return np.asarray(np.vectorize(t_quantile, otypes=[float])(probability, rounded))


def _pooled(runs: Side) -> tuple[Array, Array]:
    """Returns the sums of squares within runs and their degrees of freedom: (..., cases) each."""
    squares = [
        np.where(np.isfinite(run), (run - mean_of(run)[..., None]) ** 2, 0).sum(-1) for run in runs
    ]
    freedom = [np.maximum(count_of(run) - 1, 0) for run in runs]
    return np.asarray(sum(squares)), np.asarray(sum(freedom))
