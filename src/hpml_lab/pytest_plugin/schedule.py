"""The schedule of tests: their process, order and interpreter."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import pytest

_MEASURING = frozenset({"benchmark", "benchmark_weave", "measure"})


@dataclass(frozen=True)
class Selected:
    """A selected test.

    Attributes:
        id: its node id.
        repeated: whether every process runs it: a test that can leave a benchmark is, unless
            marked ``hpml_once``; any other test runs in the first process alone.
        alone: whether it gets an interpreter of its own.
        seconds: estimated duration where the shortest come first; 0 for any order.
    """

    id: str
    repeated: bool
    alone: bool
    seconds: float = 0.0


def selected(item: pytest.Item) -> Selected:
    """Returns a test as the schedule needs it."""
    return Selected(
        id=item.nodeid,
        repeated=not _MEASURING.isdisjoint(getattr(item, "fixturenames", ()))
        and item.get_closest_marker("hpml_once") is None,
        alone=item.get_closest_marker("hpml_alone") is not None,
    )


def batches(tests: Iterable[Selected], seed: int, process: int) -> list[list[str]]:
    """Returns the node ids of each interpreter that a process needs, each in its order.

    What need not be alone shares the first interpreter. Tests of fewer estimated seconds come
    first, so that a machine that is lent for minutes gives most answers before it is gone.

    Args:
        tests: the selected tests.
        seed: the seed of the order.
        process: its number, counted from 1.
    """
    due = [test for test in tests if test.repeated or process == 1]
    seconds = {test.id: test.seconds for test in due}
    shared = shuffled([test.id for test in due if not test.alone], seed, process)
    alone = shuffled([test.id for test in due if test.alone], seed, process)
    for ids in (shared, alone):
        ids.sort(key=seconds.__getitem__)  # keeps the order of equals
    return [batch for batch in (shared, *([test] for test in alone)) if batch]


def shuffled(ids: Iterable[str], seed: int, process: int) -> list[str]:
    """Returns ids in an order that depends on seed and process alone, on any machine and Python.

    Two ids keep their order whatever else is selected.
    """

    def place(nodeid: str) -> bytes:
        return hashlib.sha256(f"{seed} {process} {nodeid}".encode()).digest()

    return sorted(ids, key=place)
