"""Difference of two sides of processes, with its confidence interval and power.

Everything is in logs of process medians, so that differences are ratios, and for arrays of suites
at once: (..., cases, processes), NaN where a case has no such process. A side is a list of runs.

The interval of a case is difference +- half-width with

    half-width^2 = (q_case * case_error)^2 + (q_suite * drift)^2

- case_error^2 = s^2 (1/n + 1/n'), s^2 the variance between processes of a case, shrunken towards
  that of the suite; plus the variance between runs, if several runs of the same code show one.
  q_case is Student's quantile at alpha shared by all cases (Bonferroni).
- drift is the standard error by the machine's drift, common to all cases (`stats.drift`), so
  alpha need not be shared: q_suite is the quantile at half of alpha.

Outliers, processes that are much slower than the rest of their case, are excluded if they are few.
If by chance all processes of a side could be outliers, the half-width is larger (`stats.outliers`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpml_lab.stats.drift import Drift, between_runs, case_apart, of_pairs, within_runs
from hpml_lab.stats.outliers import Outliers, find_outliers
from hpml_lab.stats.shrinkage import shrink, t_quantiles

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Side = Sequence[Array]

FEWEST_PROCESSES = 2
POWER = 0.9


@dataclass(frozen=True)
class Evidence:
    """Difference of two sides and its interval for each case; arrays (..., cases), in logs.

    Attributes:
        change: Difference of the contender from the baseline; NaN without enough processes.
        half_width: Half-width of its confidence interval.
        error: Standard error of the change, drift included.
        dof: Degrees of freedom of the error.
        sampling_part: Part of the minimum detectable effect (MDE) that falls as 1 / sqrt(n);
            MDE^2 = sampling_part^2 + drift_part^2.
        drift_part: Part of the MDE that more processes do not reduce, (...).
        allowance: Outlier allowance in the half-width, (...).
        excluded: Number of excluded outliers, (...).
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
        """Minimum detectable effect: the change that is reported with a power of 90 %.

        One end of its interval must exclude no change, and the other must exceed the margin.

        Args:
            margin: equivalence margin, in logs.
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
    """Difference of two sides for each case, with its interval and power.

    Args:
        base: the runs of the baseline, arrays (..., cases, processes).
        new: the runs of the contender.
        history: earlier runs of the machine, oldest first, most of them of unchanged code.
        alpha: the chance of any false alarm in a suite.
        paired: whether process i of both sides ran next to each other, so that only the
            differences of such pairs count.
    """
    if paired:
        pairs = [_pairs(base, new)]
        outliers = find_outliers(pairs, both_ways=True)
        return _evidence([pairs], [], of_pairs(outliers.runs[0]), outliers, alpha)
    base, new = merge_single_processes(base), merge_single_processes(new)
    outliers, earlier = find_outliers([*base, *new]), find_outliers(history).runs if history else []
    kept = _split(outliers.runs, base)
    drift = within_runs(*kept).larger_of(between_runs(*kept, earlier))
    return _evidence([base, new], earlier, drift, outliers, alpha)


def _evidence(
    sides: Sequence[Side], history: Side, drift: Drift, outliers: Outliers, alpha: float
) -> Evidence:
    """Evidence of two sides, or of one side of paired differences."""
    fewest = np.min([count_of(np.concatenate(side, -1)) for side in sides], 0)
    compared = fewest >= FEWEST_PROCESSES
    kept = _split(outliers.runs, sides[0]) if len(sides) > 1 else [outliers.runs]
    logs = [np.concatenate(side, -1) for side in kept]
    counts = [count_of(side) for side in logs]
    change = mean_of(logs[-1]) - (mean_of(logs[0]) if len(logs) > 1 else 0.0)
    variance, dof = _process_variance(outliers.runs, history, compared)
    design = sum(1 / np.maximum(count, 1) for count in counts)
    case_error = np.sqrt(variance * design + case_apart(kept, history, variance, dof))
    sharing = np.maximum(compared.sum(-1, keepdims=True), 1)
    quantile = t_quantiles(1 - alpha / 2 / sharing, dof)
    suite = t_quantiles(1 - alpha / 4, drift.dof) * drift.error
    allowance = outliers.allowance(np.where(compared, fewest, 0), alpha)
    half_width = np.hypot(quantile * case_error, suite[..., None]) + allowance[..., None]
    return Evidence(
        np.where(compared, change, np.nan),
        np.where(compared, half_width, np.nan),
        np.hypot(case_error, drift.error[..., None]),
        dof,
        (quantile + t_quantiles(POWER, dof)) * case_error,
        suite + t_quantiles(POWER, drift.dof) * drift.error,
        allowance,
        np.asarray(sum(outliers.excluded)),
    )


def _process_variance(runs: Side, history: Side, compared: Flags) -> tuple[Array, Array]:
    """Variance of a process of each case and its degrees of freedom, (..., cases).

    Whatever the suite and the history show, it is not below the variance of the compared runs.
    """
    squares, dof = _pooled(runs)
    own = squares / np.maximum(dof, 1)
    earlier, earlier_dof = _pooled(history) if history else (0.0, 0.0)
    total = dof + earlier_dof
    process = shrink((squares + earlier) / np.maximum(total, 1), np.where(compared, total, 0))
    return np.maximum(process.conservative, own), process.dof


def _pairs(base: Side, new: Side) -> Array:
    """Differences of pairs, (..., cases, pairs); processes without a partner are left out."""
    sides = [np.concatenate([*side], -1) for side in (base, new)]
    count = min(side.shape[-1] for side in sides)
    return np.asarray(sides[1][..., :count] - sides[0][..., :count], np.float64)


def _split(runs: Side, base: Side) -> tuple[Side, Side]:
    """The runs of the baseline and those of the contender."""
    return runs[: len(base)], runs[len(base) :]


def merge_single_processes(side: Side) -> list[Array]:
    """Runs of a side, with all single-process runs merged into one run."""
    single = [run for run in side if run.shape[-1] == 1]
    several = [run for run in side if run.shape[-1] > 1]
    return [*several, np.concatenate(single, -1)] if single else several


def count_of(logs: Array) -> Array:
    """Number of processes of each case, (..., cases)."""
    return np.asarray(np.isfinite(logs).sum(-1), np.float64)


def mean_of(logs: Array) -> Array:
    """Mean over the processes of each case; NaN without any."""
    count = count_of(logs)
    total = np.where(np.isfinite(logs), logs, 0).sum(-1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan), np.float64)


def _pooled(runs: Side) -> tuple[Array, Array]:
    """Sums of squares within runs and their degrees of freedom, two arrays (..., cases)."""
    squares = [
        np.where(np.isfinite(run), (run - mean_of(run)[..., None]) ** 2, 0).sum(-1) for run in runs
    ]
    dof = [np.maximum(count_of(run) - 1, 0) for run in runs]
    return np.asarray(sum(squares)), np.asarray(sum(dof))
