"""The word for each case, from its evidence; docs/verdicts.md draws the rules."""

import math
from collections.abc import Sequence

import numpy as np

from hpml_lab.verdict.comparison import Verdict, Word
from hpml_lab.verdict.evidence import FEWEST_PROCESSES, Evidence
from hpml_lab.verdict.sides import Case

USUAL_PROCESSES = 3
QUIETER = (
    "measure again on a quiet machine, with fewer threads (OMP_NUM_THREADS=1), with "
    "OMP_WAIT_POLICY=passive, or both sides next to each other with `hpml-lab ab`"
)
_MOST_ADDITIONAL = 999
_LARGEST_LOG = 700.0


def decide(
    base: Sequence[Case], new: Sequence[Case], found: Evidence, margin: float
) -> list[Verdict]:
    """Returns the verdict of each case that both sides measured.

    Args:
        base: the cases of the baseline.
        new: the same cases of the contender.
        found: their evidence, arrays (cases,).
        margin: changes up to this share are none.
    """
    detectable = found.detectable(math.log1p(margin))
    return [
        _too_few(old, now)
        if np.isnan(found.change[row])
        else _judged(old, now, found, row, float(detectable[row]), margin)
        for row, (old, now) in enumerate(zip(base, new, strict=True))
    ]


def word_of(change: float, half_width: float, margin: float) -> Word:
    """Returns the word for an interval of change +- half_width; all in logs, the margin too."""
    if abs(change) + half_width <= margin:
        return "unchanged"
    if abs(change) <= half_width:
        return "inconclusive"
    return "regressed" if change > 0 else "improved"


def _judged(
    old: Case, now: Case, found: Evidence, row: int, detectable: float, margin: float
) -> Verdict:
    change, half_width = float(found.change[row]), float(found.half_width[row])
    word = word_of(change, half_width, math.log1p(margin))
    processes = (old.processes, now.processes)
    additional = None
    if word == "inconclusive":
        additional = _additional(found, row, min(processes), math.log1p(margin))
    interval = (_ratio(change - half_width), _ratio(change + half_width))
    told = _told(word, _ratio(change), interval, margin)
    if word == "inconclusive":
        told += f"; {_advice(_ratio(detectable), additional)}"
    return Verdict(
        old.fullname,
        word,
        _ratio(change),
        interval,
        _ratio(detectable),
        processes,
        additional,
        told + _warnings(old, now),
    )


def _additional(found: Evidence, row: int, processes: int, margin: float) -> int | None:
    """Returns about how many more processes a side would settle a case like this one."""
    change = abs(float(found.change[row]))
    target = max(change, margin - change) ** 2 - float(found.drift_part) ** 2
    if target <= 0:
        return None
    needed = max(processes * float(found.sampling_part[row]) ** 2 / target, processes + 1)
    if found.allowance > 0:
        needed = max(needed, 2 * processes)
    additional = math.ceil(needed - processes)
    return additional if additional <= _MOST_ADDITIONAL else None


def _ratio(log: float) -> float:
    """Returns e to a power that JSON can hold: times in a file can be any numbers above 0."""
    return math.exp(min(max(log, -_LARGEST_LOG), _LARGEST_LOG))


def _told(word: Word, ratio: float, interval: tuple[float, float], margin: float) -> str:
    between = f"between {_change(interval[0])} and {_change(interval[1])}"
    if word == "unchanged":
        return f"within the margin of {margin:.1%}: {between}"
    if word == "inconclusive":
        return f"{between}, which says neither"
    return f"{'slower' if word == 'regressed' else 'faster'} by {_change(ratio)}, {between}"


def _change(ratio: float) -> str:
    return f"{ratio - 1:+.1%}"


def _advice(detectable: float, additional: int | None) -> str:
    seen = f"{_change(detectable)} would have been seen"
    if additional is None:
        return f"{seen}; more processes would not settle it, `hpml-lab ab` may"
    return f"{seen}; about {additional} more processes a side would settle it"


def _too_few(old: Case, now: Case) -> Verdict:
    processes = (old.processes, now.processes)
    return Verdict(
        old.fullname,
        "inconclusive",
        _plain_ratio(old, now),
        processes=processes,
        additional=max(USUAL_PROCESSES - min(processes), 1),
        reason=_why_too_few(old, now),
    )


def _why_too_few(old: Case, now: Case) -> str:
    disturbed = {
        f"the {side} was disturbed in {case.disturbed} of "
        f"{case.processes + case.disturbed} processes"
        for side, case in (("baseline", old), ("contender", now))
        if case.disturbed and case.processes < FEWEST_PROCESSES
    }
    if disturbed:
        return f"{' and '.join(sorted(disturbed))}, which speak of the machine's load; {QUIETER}"
    return (
        f"measured in {old.processes} and {now.processes} processes, and {FEWEST_PROCESSES} a side "
        f"are the fewest to compare; save both with --hpml-processes={USUAL_PROCESSES}"
    )


def _plain_ratio(old: Case, now: Case) -> float | None:
    if not (old.processes and now.processes):
        return None
    levels = [np.nanmean(np.concatenate(list(case.logs.values()))) for case in (old, now)]
    return _ratio(float(levels[1] - levels[0]))


def _warnings(old: Case, now: Case) -> str:
    warnings = [
        f"{side}: {warning}"
        for side, case in (("baseline", old), ("contender", now))
        for warning in case.warnings
    ]
    return f" ({'; '.join(warnings)})" if warnings else ""
