"""Live progress over all processes: which case, how many are left, how long they will take."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Generator

import pytest

from hpml_lab.text import short
from hpml_lab.units import clock_time, seconds


class Progress:
    """Writes a line for each case: its name when it begins, how it went when it has ended.

    Registered as a plugin of its own, in place of pytest's dots.

    Args:
        write: takes text.
        now_s: a monotonic clock.

    Attributes:
        muted: whether pytest is told of tests whose lines have been written.
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
        """Takes the tests of all processes, one that runs in several as often."""
        self._left, self._total = list(ids), len(ids)

    def say(self, text: str) -> None:
        """Says something about the run as a whole."""
        self._write(f"\n{text}")

    def begin(self, nodeid: str, process: int) -> None:
        """Says which case runs now, and where; once."""
        if self._running == (nodeid, process):
            return
        self._running = nodeid, process
        self._began_s = self._now_s()
        number = self._total - len(self._left) + 1
        self._write(f"\n[{number}/{self._total}] process {process}: {short(nodeid)} ... ")

    def end(self, nodeid: str, how: str) -> None:
        """Says how it went, and how long the others will take if they are like those so far."""
        spent_s = self._now_s() - self._began_s
        self._spent_s[nodeid].append(spent_s)
        self._left.remove(nodeid)
        left = len(self._left)
        outlook = f", {left} left: about {clock_time(self._left_s())}" if left else ""
        self._write(f"{how} in {seconds(spent_s)}{outlook}")

    def _left_s(self) -> float:
        """Returns what the rest takes: a case its own time so far, an unknown one the mean."""
        known_s = {nodeid: statistics.fmean(spent_s) for nodeid, spent_s in self._spent_s.items()}
        mean_s = statistics.fmean(known_s.values())
        return sum(known_s.get(nodeid, mean_s) for nodeid in self._left)

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(
        self,
    ) -> Generator[None, tuple[str, str, str], tuple[str, str, str]]:
        """Keeps pytest's own dots away; the summary has its words."""
        category, letter, word = yield
        return (category, "", "") if self.muted else (category, letter, word)
