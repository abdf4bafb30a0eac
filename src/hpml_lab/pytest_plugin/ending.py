"""From what a worker reports to an ending, and how pytest is told of all of a test as of one."""

import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from hpml_lab.history.ending import Ending
from hpml_lab.measure.record import Failure


def ending(process: int, event: dict[str, Any]) -> Ending:
    """Returns what a worker reported; a test that failed leaves no benchmark."""
    if event["failure"] is None:
        return Ending(process, None, event["reports"], event["benchmark"])
    return Ending(process, Failure(**event["failure"]), event["reports"])


def replay(item: pytest.Item, endings: list[Ending], processes: int) -> None:
    """Reports a test to pytest once: by the first process in which it failed, or else the first.

    Args:
        item: the test.
        endings: by process, one at least.
        processes: how many there are.
    """
    failed = [each for each in endings if each.failure]
    shown = failed[0] if failed else endings[0]
    where = "\n".join(f"process {each.process} of {processes}: {_why(each)}" for each in failed)
    for report in _reports(item, shown):
        if report.failed:
            report.sections.append(("processes", where))
        item.config.hook.pytest_runtest_logreport(report=report)


def replay_warning(config: pytest.Config, event: dict[str, Any]) -> None:
    """Reports to pytest what a test warned of in a fresh interpreter."""
    category = type(event["category"], (Warning,), {})
    message = warnings.WarningMessage(
        event["message"], category, event["filename"], event["lineno"]
    )
    told = {"warning_message": message, "when": "runtest", "location": None}
    config.hook.pytest_warning_recorded.call_historic(kwargs={**told, "nodeid": event["warned"]})


def _why(each: Ending) -> str:
    return f"{each.failure.kind}: {each.failure.message}" if each.failure else each.outcome


def _reports(item: pytest.Item, shown: Ending) -> Iterator[pytest.TestReport]:
    hook = item.config.hook
    for data in shown.reports:
        restored = {name: _tuple(data[name]) for name in ("location", "longrepr")}
        yield hook.pytest_report_from_serializable(config=item.config, data=data | restored)
    if not shown.reports:
        yield _report_of_the_dead(item, shown)


def _report_of_the_dead(item: pytest.Item, shown: Ending) -> pytest.TestReport:
    stop_s = time.time()
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords={},
        outcome="failed",
        longrepr="\n".join(filter(None, (_why(shown), shown.log))),
        when="call",
        duration=shown.duration_s,
        start=stop_s - shown.duration_s,
        stop=stop_s,
    )


def _tuple(value: Any) -> Any:
    """Returns as a tuple what JSON has made a list of: pytest asks for the type."""
    return tuple(value) if isinstance(value, list) else value
