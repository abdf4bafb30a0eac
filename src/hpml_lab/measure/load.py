"""Processor load by other processes during a measurement.

The kernel counts in nanoseconds how long a runnable thread waits for a processor (``schedstat``),
so waiting is known for each round. The load by other processes is the machine's busy time minus our
own, in ticks of 10 ms: known for a case, not for a round.
"""

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hpml_lab.units import percent

LARGEST_WAIT = 0.05  # of a round, by all threads together
LARGEST_LOAD = 0.05  # of the processors, by others
CROWDED = 0.6  # of the processors, by all: below it, others' load takes nothing from us
_RESOLVED_S = 0.1  # of others' time; ticks do not resolve less
_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_LINE = 128


class Waiting:
    """Total time that the threads of this process have waited for a processor.

    Args:
        proc: Folder of the process file system.
    """

    def __init__(self, proc: Path = _PROC) -> None:
        self._tasks = proc / "self" / "task"
        self._files: dict[str, int] = {}
        self._known_s: dict[str, float] = {}
        self._children_s = _children_s()
        self._last_s = self._total_s()
        self._counted_s = 0.0

    def __call__(self) -> float:
        """Returns seconds; only differences are meaningful.

        They stand still while a child process runs or has just ended: the workers of a loader take
        processors from their own training, which is part of its time.
        """
        total_s, children_s = self._total_s(), _children_s()
        if children_s == self._children_s and not self._has_children():
            self._counted_s += total_s - self._last_s
        self._last_s, self._children_s = total_s, children_s
        return self._counted_s

    def _total_s(self) -> float:
        try:
            threads = os.listdir(self._tasks)  # noqa: PTH208 - between rounds, where it counts
        except OSError:
            return 0.0
        for thread in threads:
            if thread not in self._files:
                self._open(thread)
        # Threads that have ended keep their last value.
        self._known_s |= {t: s for t in threads if (s := self._waited_s(t)) is not None}
        return sum(self._known_s.values())

    def _open(self, thread: str) -> None:
        try:
            self._files[thread] = os.open(self._tasks / thread / "schedstat", os.O_RDONLY)
        except OSError:
            self._files[thread] = -1

    def _waited_s(self, thread: str) -> float | None:
        if self._files[thread] < 0:
            return None
        try:
            return int(os.pread(self._files[thread], _LINE, 0).split()[1]) * 1e-9
        except (OSError, IndexError, ValueError):
            return None

    def _has_children(self) -> bool:
        try:
            return bool((self._tasks / str(os.getpid()) / "children").read_bytes())
        except OSError:
            return False

    def close(self) -> None:
        """Closes the files that it reads."""
        for file in self._files.values():
            if file >= 0:
                os.close(file)
        self._files.clear()


@dataclass(frozen=True)
class Busy:
    """Cumulative processor time at one moment; only differences are meaningful.

    Attributes:
        now_s: Monotonic time.
        all_s: Processor seconds of all processes, steal time included.
        own_s: Processor seconds of this process and its children.
    """

    now_s: float
    all_s: float
    own_s: float

    def others(self, later: "Busy") -> float | None:
        """Returns the share of all processors that other processes took until `later`.

        Returns:
            None if unknown: the time is too short for ticks, or the kernel counts none.
        """
        capacity_s = (later.now_s - self.now_s) * (os.cpu_count() or 1)
        if LARGEST_LOAD * capacity_s < _RESOLVED_S or self.all_s <= 0:
            return None
        others_s = (later.all_s - self.all_s) - (later.own_s - self.own_s)
        return max(others_s, 0.0) / capacity_s

    def taken(self, later: "Busy") -> float:
        """Returns the share of all processors that were busy until `later`; 0 for no time."""
        capacity_s = (later.now_s - self.now_s) * (os.cpu_count() or 1)
        return (later.all_s - self.all_s) / capacity_s if capacity_s > 0 else 0.0


NOBODY = Busy(0.0, 0.0, 0.0)


def busy(proc: Path = _PROC) -> Busy:
    """Returns the cumulative processor time now; 0 if the kernel does not report it."""
    own_s = time.process_time() + _children_s() + _living_children_s(proc)
    try:
        ticks = [int(n) for n in (proc / "stat").read_text().split("\n", 1)[0].split()[1:]]
    except (OSError, ValueError):
        return Busy(time.monotonic(), 0.0, own_s)
    user, nice, system, _idle, _waiting, irq, soft, *rest = ticks
    working = user + nice + system + irq + soft + (rest[0] if rest else 0)
    return Busy(time.monotonic(), working / _TICKS, own_s)


def _children_s() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _living_children_s(proc: Path) -> float:
    """Returns the processor time in seconds of child processes that still run."""
    total, waiting = 0, [str(os.getpid())]
    while waiting:
        for child in _children(proc, waiting.pop()):
            waiting.append(child)
            total += _process_ticks(proc, child)
    return total / _TICKS


def _children(proc: Path, process: str) -> list[str]:
    try:
        files = [thread / "children" for thread in (proc / process / "task").iterdir()]
        return [child for file in files for child in file.read_text().split()]
    except OSError:
        return []


def _process_ticks(proc: Path, process: str) -> int:
    try:
        # After the name, which may hold any character: fields 14 to 17 of man 5 proc_pid_stat.
        fields = (proc / process / "stat").read_text().rpartition(")")[2].split()
        return sum(int(ticks) for ticks in fields[11:15])
    except (OSError, ValueError, IndexError):
        return 0


LOOK_S = 1.0


def wait_until_quiet(
    limit_s: float,
    say: Callable[[str], None],
    *,
    look: Callable[[], Busy] = busy,
    pause: Callable[[float], None] = time.sleep,
) -> float | None:
    """Waits until other processes take few processors, and returns the share that they take.

    Args:
        limit_s: Longest wait in seconds; 0 does not look.
        say: Prints a line when a wait begins, and when it ends at the limit.
        look: Returns the cumulative processor time.
        pause: Sleeps for a number of seconds.

    Returns:
        None if the share is unknown, or if `limit_s` is 0.
    """
    if limit_s <= 0:
        return None
    began, others, announced = look(), None, False
    waited_s = 0.0
    while waited_s < limit_s:
        pause(LOOK_S)
        waited_s += LOOK_S
        now = look()
        others = began.others(now)
        if others is None or others <= LARGEST_LOAD:
            return others
        if not announced:
            say(f"Waiting for a quiet machine: others take {percent(others)} of its processors ...")
            announced = True
        began = now
    say(f"Not quiet after {limit_s:g} s: others take {percent(others or 0.0)}; measuring anyway.")
    return others
