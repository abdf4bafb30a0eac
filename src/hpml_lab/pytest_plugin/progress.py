"""Live progress over all processes: the case, the number left, the estimated time left."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Generator

import pytest

from hpml_lab.text import short
from hpml_lab.units import clock_time, seconds


class Progress:
    """Writes a line for each case: its name when it begins, its outcome when it has ended.

    A plugin of its own, in place of pytest's dots.

    Args:
        write: writes text.
        now_s: a monotonic clock.

    Attributes:
        muted: whether pytest's own dots are suppressed, as the lines are written already.
    """

    def __init__(
        self, write: Callable[[str], None], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.muted = False
        self._write = write
        self._now_s = now_s
        self._left: list[str] = []
        self._total = 0
        self._spent_s: defaultdict[str, list[float]] = defaultdict(list)
        self._running: tuple[str, int] | None = None
        self._began_s = 0.0

    def expect(self, ids: list[str]) -> None:
        """Sets the tests to come, each once for every process that it runs in."""
        self._left, self._total = list(ids), len(ids)

    def say(self, text: str) -> None:
        """Writes a line about the run as a whole."""
        self._write(f"\n{text}")

    def begin(self, nodeid: str, process: int) -> None:
        """Writes the case that runs now and its process, once."""
        if self._running == (nodeid, process):
            return
        self._running = nodeid, process
        self._began_s = self._now_s()
        number = self._total - len(self._left) + 1
        self._write(f"\n[{number}/{self._total}] process {process}: {short(nodeid)} ... ")

    def end(self, nodeid: str, how: str) -> None:
        """Writes the outcome, and the estimated time of the cases left."""
        spent_s = self._now_s() - self._began_s
        self._spent_s[nodeid].append(spent_s)
        self._left.remove(nodeid)
        left = len(self._left)
        outlook = f", {left} left: about {clock_time(self._left_s())}" if left else ""
        self._write(f"{how} in {seconds(spent_s)}{outlook}")

    def _left_s(self) -> float:
        """Returns the estimated seconds left: for a case its mean so far, else the mean of all."""
        known_s = {nodeid: statistics.fmean(spent_s) for nodeid, spent_s in self._spent_s.items()}
        mean_s = statistics.fmean(known_s.values())
        return sum(known_s.get(nodeid, mean_s) for nodeid in self._left)

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(
        self,
    ) -> Generator[None, tuple[str, str, str], tuple[str, str, str]]:
        """Suppresses pytest's own dots; the summary keeps its words."""
        category, letter, word = yield
        return (category, "", "") if self.muted else (category, letter, word)
