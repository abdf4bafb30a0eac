"""Results from a worker's events, and their replay to pytest as one test."""

import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from hpml_lab.runs.merge import ProcessResult
from hpml_lab.runs.schema import Failure


def process_result(process: int, event: dict[str, Any]) -> ProcessResult:
    """Returns the result that a worker reported; a failed test has no benchmark."""
    if event["failure"] is None:
        return ProcessResult(process, None, event["reports"], event["benchmark"])
    return ProcessResult(process, Failure(**event["failure"]), event["reports"])


def replay(item: pytest.Item, results: list[ProcessResult], processes: int) -> None:
    """Reports a test to pytest once: from the first process in which it failed, or else the first.

    Args:
        item: the test.
        results: by process, at least one.
        processes: the number of processes.
    """
    failed = [result for result in results if result.failure]
    shown = failed[0] if failed else results[0]
    where = "\n".join(
        f"process {result.process} of {processes}: {_why(result)}" for result in failed
    )
    for report in _reports(item, shown):
        if report.failed:
            report.sections.append(("processes", where))
        item.config.hook.pytest_runtest_logreport(report=report)


def replay_warning(config: pytest.Config, event: dict[str, Any]) -> None:
    """Reports a warning from a worker process to pytest."""
    category = type(event["category"], (Warning,), {})
    message = warnings.WarningMessage(
        event["message"], category, event["filename"], event["lineno"]
    )
    arguments = {"warning_message": message, "when": "runtest", "location": None}
    config.hook.pytest_warning_recorded.call_historic(
        kwargs={**arguments, "nodeid": event["warned"]}
    )


def _why(result: ProcessResult) -> str:
    failure = result.failure
    return f"{failure.kind}: {failure.message}" if failure else result.outcome


def _reports(item: pytest.Item, shown: ProcessResult) -> Iterator[pytest.TestReport]:
    hook = item.config.hook
    for data in shown.reports:
        restored = {name: _tuple(data[name]) for name in ("location", "longrepr")}
        yield hook.pytest_report_from_serializable(config=item.config, data=data | restored)
    if not shown.reports:
        yield _report_of_a_dead_worker(item, shown)


def _report_of_a_dead_worker(item: pytest.Item, shown: ProcessResult) -> pytest.TestReport:
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
    """Returns a list of JSON as the tuple that it was: pytest checks the type."""
    return tuple(value) if isinstance(value, list) else value
