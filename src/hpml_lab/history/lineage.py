"""What a history holds of each case, also of one whose folder moved."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from hpml_lab.history.summary import Case, Summary

Measured = list[tuple[int, Case]]  # the places of the runs that have a case, with what they found


def by_case(runs: Sequence[Summary]) -> dict[str, Measured]:
    """Returns what the runs of a history found of each case, under its last name.

    Two names are one case if no run has both and their files are the same but for the folders in
    front of them (`.tox/py27/capnpy/test_ctor.py`, `.tox/py27-bench/capnpy/test_ctor.py`).

    Args:
        runs: oldest first.
    """
    named: dict[str, Measured] = {}
    for place, run in enumerate(runs):
        for name, case in run.cases.items():
            named.setdefault(name, []).append((place, case))
    tests: dict[tuple[str, str], dict[str, Measured]] = {}
    for name, measured in named.items():
        _add(tests.setdefault(file_and_test(name), {}), name, measured)
    return {name: measured for cases in tests.values() for name, measured in cases.items()}


def file_and_test(fullname: str) -> tuple[str, str]:
    """Returns the name of a case's file, without its folders, and what follows it."""
    path, _, test = fullname.partition("::")
    return PurePosixPath(path).name, test


def _add(cases: dict[str, Measured], name: str, measured: Measured) -> None:
    """Puts a name beside the others of its test, or in place of the one that it continues."""
    places = {place for place, _ in measured}
    for other, before in cases.items():
        if _same_file(other, name) and places.isdisjoint(place for place, _ in before):
            del cases[other]
            joined = sorted([*before, *measured], key=lambda found: found[0])
            cases[max((before, other), (measured, name), key=_last)[1]] = joined
            return
    cases[name] = measured


def _last(named: tuple[Measured, str]) -> int:
    return named[0][-1][0]


def _same_file(one: str, other: str) -> bool:
    """Returns whether two paths end alike: the file and its folder, or all of the shorter."""
    paths = (PurePosixPath(name.partition("::")[0]).parts for name in (one, other))
    short, long = sorted(paths, key=len)
    alike = min(len(short), 2)
    return short[-alike:] == long[-alike:]
