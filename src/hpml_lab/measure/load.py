"""What others took of the processors while this process worked.

A thread that has no processor waits, and the kernel counts its waiting by the nanosecond
(``schedstat``), so each round tells what was not the step's own time. Who takes a processor from us
is told by the machine's busy time less our own, in ticks of 10 ms: over a case, not a round.
"""

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

LARGEST_WAIT = 0.05  # of a round, by all threads together
LARGEST_LOAD = 0.05  # of the processors, by others
CROWDED = 0.6  # of the processors, by all: with fewer at work nobody is in the way
_TOLD_S = 0.1  # of others' time; less is not told from ticks
_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_LINE = 128


class Waiting:
    """How long the threads of this process have waited for a processor in all.

    Args:
        proc: the folder of the process file system.
    """

    def __init__(self, proc: Path = _PROC) -> None:
        self._tasks = proc / "self" / "task"
        self._files: dict[str, int] = {}
        self._known_s: dict[str, float] = {}
        self._children_s = _children_s()
        self._last_s = self._total_s()
        self._counted_s = 0.0

    def __call__(self) -> float:
        """Returns seconds; only differences mean anything.

        They stand still while a process of ours runs or has ended: a loader's workers take
        processors from their own training, and that is part of it.
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
        # Those that have ended keep what they waited.
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
        """Closes what it reads."""
        for file in self._files.values():
            if file >= 0:
                os.close(file)
        self._files.clear()


@dataclass(frozen=True)
class Busy:
    """Seconds that processors have worked, at one moment; only differences mean anything.

    Attributes:
        now_s: when.
        all_s: by all processors, for whomever, stolen time included.
        own_s: by this process and those that it has started.
    """

    now_s: float
    all_s: float
    own_s: float

    def others(self, later: "Busy") -> float | None:
        """Returns the share of all processors that others took until later.

        Returns:
            None where that cannot be told: the time is too short for ticks, or nobody counts them.
        """
        capacity_s = (later.now_s - self.now_s) * (os.cpu_count() or 1)
        if LARGEST_LOAD * capacity_s < _TOLD_S or self.all_s <= 0:
            return None
        others_s = (later.all_s - self.all_s) - (later.own_s - self.own_s)
        return max(others_s, 0.0) / capacity_s

    def taken(self, later: "Busy") -> float:
        """Returns the share of all processors that anybody took until later; 0 of no time."""
        capacity_s = (later.now_s - self.now_s) * (os.cpu_count() or 1)
        return (later.all_s - self.all_s) / capacity_s if capacity_s > 0 else 0.0


NOBODY = Busy(0.0, 0.0, 0.0)


def busy(proc: Path = _PROC) -> Busy:
    """Returns how busy the processors have been; zeros where the kernel does not tell."""
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
    """Returns the processor time of processes that this one has started and that still run."""
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
        # Behind the name, which may hold anything: fields 14 to 17 of man 5 proc_pid_stat.
        fields = (proc / process / "stat").read_text().rpartition(")")[2].split()
        return sum(int(each) for each in fields[11:15])
    except (OSError, ValueError, IndexError):
        return 0
