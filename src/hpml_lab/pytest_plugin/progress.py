"""Progress over all processes: the case, the number left, the estimated time left."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Generator

import pytest

from hpml_lab.pytest_plugin.live import Live


class Progress:
    """Shows each case when it begins and when it has ended.

    A plugin of its own, in place of pytest's dots.

    Args:
        live: shows it.
        now_s: a monotonic clock.

    Attributes:
        muted: whether pytest's own dots are suppressed, as the lines are written already.
    """

    def __init__(self, live: Live, now_s: Callable[[], float] = time.monotonic) -> None:
        self.muted = False
        self._live = live
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
        """Shows a sentence about the run as a whole."""
        self._live.say(text)

    def begin(self, nodeid: str, process: int) -> None:
        """Shows the case that runs now and its process, once."""
        if self._running == (nodeid, process):
            return
        self._running = nodeid, process
        self._began_s = self._now_s()
        number = self._total - len(self._left) + 1
        self._live.begin(number, self._total, process, nodeid)

    def end(self, nodeid: str, how: str) -> None:
        """Shows the outcome, and the estimated time of the cases left."""
        spent_s = self._now_s() - self._began_s
        self._spent_s[nodeid].append(spent_s)
        self._left.remove(nodeid)
        self._live.end(how, spent_s, len(self._left), self._left_s())

    def close(self) -> None:
        """Ends, whether or not all cases have run."""
        self._live.close()

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
