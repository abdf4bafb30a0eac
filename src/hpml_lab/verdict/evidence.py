"""How far two sides of processes lie apart, and how far chance alone could have put them.

Everything is in logs of process medians, so that differences are ratios, and for arrays of suites
at once: (..., cases, processes), NaN where a case has no such process. A side is a list of runs.

The interval of a case is difference +- half-width with

    half-width^2 = (q_case * spread)^2 + (q_suite * movement)^2

- spread^2 = s^2 (1/n + 1/n'), s^2 the variance between processes of a case, moderated by those of
  the suite; and, where several runs of one code show it, what runs of a case differ beside.
  q_case is Student's quantile at alpha shared by all cases (Bonferroni).
- movement is what the machine itself moved meanwhile, in all cases alike (`verdict.movement`), so
  alpha need not be shared: q_suite is the quantile at half of alpha.

Processes that are much slower than the rest of their case are left out where they are few. Where
by chance all of a side's could have been such, the half-width is longer (`verdict.outliers`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpml_lab.verdict.moderation import moderated
from hpml_lab.verdict.movement import Movement, between_runs, case_apart, of_pairs, within_runs
from hpml_lab.verdict.outliers import Outliers, find_outliers
from hpml_lab.verdict.student import t_quantiles

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Side = Sequence[Array]

FEWEST_PROCESSES = 2
POWER = 0.9


@dataclass(frozen=True)
class Evidence:
    """What the processes of two sides say of each case; arrays (..., cases), in logs.

    Attributes:
        change: of the contender from the baseline; NaN without enough processes.
        half_width: of the interval to both sides of the change.
        error: the standard error of the change, what the machine moved included.
        dof: degrees of freedom of the error.
        sampling_part: what a change must exceed to be seen, as far as more processes would make it
            smaller, by their square root; it adds to `drift_part` in squares.
        drift_part: as far as they would not, (...).
        allowance: the outlier allowance in the half-width, (...).
        excluded: how many slow processes of cases were left out, (...).
    """

    change: Array
    half_width: Array
    error: Array
    dof: Array
    sampling_part: Array
    drift_part: Array
    allowance: Array
    excluded: Array

    def detectable(self, margin: float) -> Array:
        """Returns the change that would have been called one with a power of 90 %.

        It must clear no change at one end of the interval, and the margin at the other.

        Args:
            margin: in logs.
        """
        needed = np.maximum(self.half_width, margin - self.half_width)
        return needed + t_quantiles(POWER, self.dof) * self.error


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
        pairs = [_pairs(base, new)]
        seen = find_outliers(pairs, both_ways=True)
        return _of([pairs], [], of_pairs(seen.runs[0]), seen, alpha)
    base, new = together(base), together(new)
    seen, earlier = find_outliers([*base, *new]), find_outliers(history).runs if history else []
    kept = _split(seen.runs, base)
    moved = within_runs(*kept).or_longer(between_runs(*kept, earlier))
    return _of([base, new], earlier, moved, seen, alpha)


def _of(
    sides: Sequence[Side], history: Side, moved: Movement, seen: Outliers, alpha: float
) -> Evidence:
    """Returns the evidence of two sides, or of one of differences."""
    fewest = np.min([count_of(np.concatenate(side, -1)) for side in sides], 0)
    compared = fewest >= FEWEST_PROCESSES
    kept = _split(seen.runs, sides[0]) if len(sides) > 1 else [seen.runs]
    logs = [np.concatenate(side, -1) for side in kept]
    counts = [count_of(side) for side in logs]
    change = mean_of(logs[-1]) - (mean_of(logs[0]) if len(logs) > 1 else 0.0)
    variance, dof = _process_variance(seen.runs, history, compared)
    design = sum(1 / np.maximum(count, 1) for count in counts)
    spread = np.sqrt(variance * design + case_apart(kept, history, variance, dof))
    sharing = np.maximum(compared.sum(-1, keepdims=True), 1)
    each = t_quantiles(1 - alpha / 2 / sharing, dof)
    suite = t_quantiles(1 - alpha / 4, moved.dof) * moved.error
    slow = seen.allowance(np.where(compared, fewest, 0), alpha)
    half_width = np.hypot(each * spread, suite[..., None]) + slow[..., None]
    return Evidence(
        np.where(compared, change, np.nan),
        np.where(compared, half_width, np.nan),
        np.hypot(spread, moved.error[..., None]),
        dof,
        (each + t_quantiles(POWER, dof)) * spread,
        suite + t_quantiles(POWER, moved.dof) * moved.error,
        slow,
        np.asarray(sum(seen.excluded)),
    )


def _process_variance(runs: Side, history: Side, compared: Flags) -> tuple[Array, Array]:
    """Returns the variance of a process of each case and its degrees of freedom, (..., cases).

    Whatever the suite and the history say, it is not below what the compared runs themselves show.
    """
    squares, dof = _pooled(runs)
    own = squares / np.maximum(dof, 1)
    earlier, more = _pooled(history) if history else (0.0, 0.0)
    total = dof + more
    process = moderated((squares + earlier) / np.maximum(total, 1), np.where(compared, total, 0))
    return np.maximum(process.careful, own), process.dof


def _pairs(base: Side, new: Side) -> Array:
    """Returns the differences of pairs, (..., cases, pairs); what has no partner is left out."""
    sides = [np.concatenate([*side], -1) for side in (base, new)]
    count = min(side.shape[-1] for side in sides)
    return np.asarray(sides[1][..., :count] - sides[0][..., :count], np.float64)


def _split(runs: Side, base: Side) -> tuple[Side, Side]:
    """Returns the runs of both sides apart."""
    return runs[: len(base)], runs[len(base) :]


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


def _pooled(runs: Side) -> tuple[Array, Array]:
    """Returns the sums of squares within runs and their degrees of freedom: (..., cases) each."""
    squares = [
        np.where(np.isfinite(run), (run - mean_of(run)[..., None]) ** 2, 0).sum(-1) for run in runs
    ]
    dof = [np.maximum(count_of(run) - 1, 0) for run in runs]
    return np.asarray(sum(squares)), np.asarray(sum(dof))
