"""Verdicts of cases from their evidence, by the rules in docs/verdicts.md."""

import math
from collections.abc import Sequence

import numpy as np

from hpml_lab.comparison.sides import Case
from hpml_lab.comparison.verdicts import Status, Verdict
from hpml_lab.stats.two_sample import FEWEST_PROCESSES, Evidence

USUAL_PROCESSES = 3
QUIETER = (
    "measure again on a quiet machine, with fewer threads (OMP_NUM_THREADS=1), with "
    "OMP_WAIT_POLICY=passive, or both sides next to each other with `hpml-lab ab`"
)
_MOST_ADDITIONAL = 999
_LARGEST_LOG = 700.0


def decide(
    base: Sequence[Case], new: Sequence[Case], result: Evidence, margin: float
) -> list[Verdict]:
    """Verdicts of the cases that both sides measured.

    Args:
        base: the cases of the baseline.
        new: the same cases of the contender.
        result: their evidence, arrays (cases,).
        margin: equivalence margin: changes up to this share count as none.
    """
    detectable = result.detectable(math.log1p(margin))
    return [
        _too_few(baseline, contender)
        if np.isnan(result.change[row])
        else _judged(baseline, contender, result, row, float(detectable[row]), margin)
        for row, (baseline, contender) in enumerate(zip(base, new, strict=True))
    ]


def status_of(change: float, half_width: float, margin: float) -> Status:
    """Status for an interval of change +- half_width; all in logs, the margin too."""
    if abs(change) + half_width <= margin:
        return "unchanged"
    if abs(change) <= half_width:
        return "inconclusive"
    return "regressed" if change > 0 else "improved"


def _judged(
    baseline: Case,
    contender: Case,
    result: Evidence,
    row: int,
    detectable: float,
    margin: float,
) -> Verdict:
    change, half_width = float(result.change[row]), float(result.half_width[row])
    status = status_of(change, half_width, math.log1p(margin))
    processes = (baseline.processes, contender.processes)
    additional = None
    if status == "inconclusive":
        additional = _additional(result, row, min(processes), math.log1p(margin))
    interval = (_ratio(change - half_width), _ratio(change + half_width))
    reason = _reason(status, _ratio(change), interval, margin)
    if status == "inconclusive":
        reason += f"; {_advice(_ratio(detectable), additional)}"
    warnings = _warnings(baseline, contender)
    return Verdict(
        baseline.fullname,
        status,
        _ratio(change),
        interval,
        _ratio(detectable),
        processes,
        additional,
        reason + (f" ({'; '.join(warnings)})" if warnings else ""),
        warnings=warnings,
    )


def _additional(result: Evidence, row: int, processes: int, margin: float) -> int | None:
    """Estimated number of additional processes a side that would settle a case like this one."""
    change = abs(float(result.change[row]))
    target = max(change, margin - change) ** 2 - float(result.drift_part) ** 2
    if target <= 0:
        return None
    needed = max(processes * float(result.sampling_part[row]) ** 2 / target, processes + 1)
    if result.allowance > 0:
        needed = max(needed, 2 * processes)
    additional = math.ceil(needed - processes)
    return additional if additional <= _MOST_ADDITIONAL else None


def _ratio(log: float) -> float:
    """Ratio of a log, clipped to what JSON can hold: times in a file are any numbers above 0."""
    return math.exp(min(max(log, -_LARGEST_LOG), _LARGEST_LOG))


def _reason(status: Status, ratio: float, interval: tuple[float, float], margin: float) -> str:
    between = f"between {_change(interval[0])} and {_change(interval[1])}"
    if status == "unchanged":
        return f"within the margin of {margin:.1%}: {between}"
    if status == "inconclusive":
        return f"{between}, which says neither"
    return f"{'slower' if status == 'regressed' else 'faster'} by {_change(ratio)}, {between}"


def _change(ratio: float) -> str:
    return f"{ratio - 1:+.1%}"


def _advice(detectable: float, additional: int | None) -> str:
    effect = f"{_change(detectable)} would have been seen"
    if additional is None:
        return f"{effect}; more processes would not settle it, `hpml-lab ab` may"
    return f"{effect}; about {additional} more processes a side would settle it"


def _too_few(baseline: Case, contender: Case) -> Verdict:
    processes = (baseline.processes, contender.processes)
    return Verdict(
        baseline.fullname,
        "inconclusive",
        _plain_ratio(baseline, contender),
        processes=processes,
        additional=USUAL_PROCESSES - min(processes),
        reason=_why_too_few(baseline, contender),
    )


def _why_too_few(baseline: Case, contender: Case) -> str:
    disturbed = {
        f"the {side} was disturbed in {case.disturbed} of "
        f"{case.processes + case.disturbed} processes"
        for side, case in (("baseline", baseline), ("contender", contender))
        if case.disturbed and case.processes < FEWEST_PROCESSES
    }
    if disturbed:
        return f"{' and '.join(sorted(disturbed))}, which speak of the machine's load; {QUIETER}"
    return (
        f"measured in {baseline.processes} and {contender.processes} processes, and "
        f"{FEWEST_PROCESSES} a side are the fewest to compare; "
        f"save both with --hpml-processes={USUAL_PROCESSES}"
    )


def _plain_ratio(baseline: Case, contender: Case) -> float | None:
    if not (baseline.processes and contender.processes):
        return None
    levels = [
        np.nanmean(np.concatenate(list(case.logs.values()))) for case in (baseline, contender)
    ]
    return _ratio(float(levels[1] - levels[0]))


def _warnings(baseline: Case, contender: Case) -> list[str]:
    return [
        f"{side}: {warning}"
        for side, case in (("baseline", baseline), ("contender", contender))
        for warning in case.warnings
    ]
