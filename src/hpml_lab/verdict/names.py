"""Which missing case may be which new one, under another name."""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from hpml_lab.verdict.sides import Case

ALIKE = 0.6  # difflib's own threshold for close matches
_LONGEST = 300  # characters compared
_MOST_PAIRS = 10_000


def renamed(missing: Sequence[Case], new: Sequence[Case]) -> dict[str, str]:
    """Returns the likely new name of missing cases, each name once.

    Cases are alike by their names; of those equal settings or counters count for more.

    Args:
        missing: of the baseline; beyond 10,000 pairs nothing is suggested.
        new: of the contender.
    """
    if len(missing) * len(new) > _MOST_PAIRS:
        return {}
    pairs = (
        (likeness, old.fullname, other.fullname)
        for old in missing
        for other in new
        if (likeness := _likeness(old, other)) >= ALIKE
    )
    found: dict[str, str] = {}
    for _, old, other in sorted(pairs, key=lambda pair: -pair[0]):
        if old not in found and other not in found.values():
            found[old] = other
    return found


def _likeness(old: Case, new: Case) -> float:
    # The same file is no likeness of two tests in it.
    one, other = (case.fullname.rpartition("::")[2][:_LONGEST] for case in (old, new))
    names = SequenceMatcher(None, one, other).ratio()
    if _same(old.counters, new.counters):
        return names + 1
    # One parameter that is equal is often all that two cases have.
    return names + (_same(old.settings, new.settings) and names >= ALIKE)


def _same(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    return bool(one) and one == other
