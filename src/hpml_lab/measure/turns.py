"""Two processes that take turns on one machine, a round each.

A machine that others share is fast now and slow a second later, and one of its processors may be
slower than the next. Two processes that alternate round by round, on one processor, see the same of
both, and only one of them works at a time. `experiments/README.md` has what that changes.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path


class Turns:
    """This process's share of the turns: it works from `begin` on, except in `hand_over`.

    The one lock says who works, the other who is next, so that neither takes two rounds in a row
    while its partner waits. The kernel releases both when a process ends, however it does.

    Args:
        path: of two files that only the two processes use.

    Attributes:
        away_s: for how long it has waited for its partner.
    """

    def __init__(self, path: Path) -> None:
        self._next, self._now = (
            os.open(path.with_suffix(end), os.O_RDWR | os.O_CREAT, 0o600) for end in (".q", ".r")
        )
        self.away_s = 0.0

    def begin(self) -> None:
        """Waits until the partner hands over, and works from then on."""
        fcntl.lockf(self._next, fcntl.LOCK_EX)
        fcntl.lockf(self._now, fcntl.LOCK_EX)
        fcntl.lockf(self._next, fcntl.LOCK_UN)

    def hand_over(self) -> None:
        """Lets the partner take a round, if it wants one, and goes on where that has been taken."""
        began_s = time.perf_counter()
        _move_to(max)  # out of the way, or the partner has its round before this one asks for more
        fcntl.lockf(self._now, fcntl.LOCK_UN)
        self.begin()
        _move_to(min)
        self.away_s += time.perf_counter() - began_s


def _move_to(choose: Callable[[Iterable[int]], int]) -> None:
    """Puts this thread on one processor; it may go elsewhere, as may threads that it starts."""
    if hasattr(os, "sched_setaffinity"):
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {choose(allowed)})
        os.sched_setaffinity(0, allowed)


_turns: Turns | None = None


def take_turns(path: Path) -> None:
    """Makes this process one of two that take turns; waits for the first."""
    global _turns
    _turns = Turns(path)
    _turns.begin()


def in_turns() -> bool:
    """Returns whether this process has a partner."""
    return _turns is not None


def hand_over() -> None:
    """Lets the partner take a round; nothing without one."""
    if _turns is not None:
        _turns.hand_over()


def away_s() -> float:
    """Returns for how long this process has waited for its partner; 0 without one."""
    return _turns.away_s if _turns is not None else 0.0
