"""Live progress of a run that measures: which case, how many are left, how long they will take."""

import time
from collections.abc import Callable

import pytest

from hpml_lab.units import clock_time, seconds


class Progress:
    """Writes a line for each case: its name when it begins, how it went when it has ended.

    Registered as a plugin of its own, in place of pytest's dots.

    Args:
        write: takes text.
        now_s: a monotonic clock.
    """

    def __init__(
        self, write: Callable[[str], None], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._now_s = now_s
        self._total = 0
        self._done = 0
        self._spent_s = 0.0
        self._began_s = 0.0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Counts the cases."""
        self._total = len(session.items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Says which case runs now."""
        self._began_s = self._now_s()
        self._write(f"\n[{self._done + 1}/{self._total}] {item.nodeid} ... ")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Says how it ended, and how long the others will take if they are like those so far."""
        if report.when != "call" and report.passed:
            return
        spent_s = self._now_s() - self._began_s
        self._done += 1
        self._spent_s += spent_s
        left = self._total - self._done
        left_s = self._spent_s / self._done * left
        outlook = f", {left} left: about {clock_time(left_s)}" if left > 0 else ""
        self._write(f"{report.outcome} in {seconds(spent_s)}{outlook}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Keeps pytest's own dots away."""
        if report.when != "call" and report.passed:
            return None
        return ("error" if report.failed and report.when != "call" else report.outcome), "", ""
