"""Two processes that alternate round by round on one machine.

The speed of a shared machine varies within seconds, and between its processors. Two processes that
alternate round by round on one processor are affected equally, and only one of them works at a
time. `experiments/README.md` has the effect on the results.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path


class Turns:
    """This process's side of the turns: it works after `begin`, except during `hand_over`.

    One lock is held by the process that works, the other by the process that is next, so neither
    takes two rounds in a row while its partner waits. The kernel releases both when a process ends.

    Args:
        path: Path, without suffix, of two lock files that only the two processes use.

    Attributes:
        away_s: Total time in seconds that it has waited for its partner.
    """

    def __init__(self, path: Path) -> None:
        self._next, self._now = (
            os.open(path.with_suffix(end), os.O_RDWR | os.O_CREAT, 0o600) for end in (".q", ".r")
        )
        self.away_s = 0.0

    def begin(self) -> None:
        """Blocks until the partner hands over."""
        fcntl.lockf(self._next, fcntl.LOCK_EX)
        fcntl.lockf(self._now, fcntl.LOCK_EX)
        fcntl.lockf(self._next, fcntl.LOCK_UN)

    def hand_over(self) -> None:
        """Lets the partner take a round, if it waits for one, then continues on its processor."""
        began_s = time.perf_counter()
        _move_to(max)  # away from the partner's processor, or it requests the lock too late
        fcntl.lockf(self._now, fcntl.LOCK_UN)
        self.begin()
        _move_to(min)
        self.away_s += time.perf_counter() - began_s


def _move_to(choose: Callable[[Iterable[int]], int]) -> None:
    """Moves this thread to one processor, without pinning it or the threads that it starts."""
    if hasattr(os, "sched_setaffinity"):
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {choose(allowed)})
        os.sched_setaffinity(0, allowed)


_turns: Turns | None = None


def take_turns(path: Path) -> None:
    """Makes this process one of two that alternate; blocks until its first turn."""
    global _turns
    _turns = Turns(path)
    _turns.begin()


def in_turns() -> bool:
    """Whether this process has a partner."""
    return _turns is not None


def hand_over() -> None:
    """Lets the partner take a round; does nothing without one."""
    if _turns is not None:
        _turns.hand_over()


def away_s() -> float:
    """Returns the total seconds that this process has waited for its partner; 0 without one."""
    return _turns.away_s if _turns is not None else 0.0
