"""Which missing case may be which new one, under another name."""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from hpml_lab.history.lineage import file_and_test
from hpml_lab.verdict.sides import Case

ALIKE = 0.6  # difflib's own threshold for close matches
_LONGEST = 300  # characters compared
_MOST_PAIRS = 10_000


def renamed(missing: Sequence[Case], new: Sequence[Case]) -> dict[str, str]:
    """Returns the likely new name of missing cases, each name once.

    A test of the same name in a file of the same name comes first. Others are alike by their names;
    of those equal settings or counters count for more.

    Args:
        missing: of the baseline; beyond 10,000 pairs of others nothing is suggested.
        new: of the contender.
    """
    found = _moved(missing, new)
    missing = [old for old in missing if old.fullname not in found]
    new = [other for other in new if other.fullname not in found.values()]
    if len(missing) * len(new) > _MOST_PAIRS:
        return found
    pairs = (
        (likeness, old.fullname, other.fullname)
        for old in missing
        for other in new
        if (likeness := _likeness(old, other)) >= ALIKE
    )
    for _, old, other in sorted(pairs, key=lambda pair: -pair[0]):
        if old not in found and other not in found.values():
            found[old] = other
    return found


def reordered(names: Mapping[str, str]) -> int:
    """Returns how many names differ from their likely new ones only in the order of characters."""
    return sum(sorted(old) == sorted(new) for old, new in names.items())


def _moved(missing: Sequence[Case], new: Sequence[Case]) -> dict[str, str]:
    """Returns the new names of tests whose file is in another folder, if there is one each."""
    old, now = (_by_file_and_test(cases) for cases in (missing, new))
    return {
        names[0]: now[key][0]
        for key, names in old.items()
        if len(names) == 1 and len(now.get(key, ())) == 1
    }


def _by_file_and_test(cases: Sequence[Case]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        found.setdefault(file_and_test(case.fullname), []).append(case.fullname)
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
