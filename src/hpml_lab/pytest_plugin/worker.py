"""The worker's end: runs the tests of its job and reports each when it has ended."""

import json
import os
import socket
import warnings
from collections.abc import Generator
from dataclasses import asdict
from typing import Any

import pytest

from hpml_lab.pytest_plugin.interpreter import CHANNEL
from hpml_lab.pytest_plugin.session import Session, session_of
from hpml_lab.runs.schema import Failure, Kind

_LONGEST_MESSAGE = 300
_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
)  # messages of the CUDA and the CPU allocator


class Worker:
    """The mode of a worker process; see `from_environment`.

    Args:
        job: ``process``, ``order`` (node ids) and ``basetemp`` (a folder or None).
        channel: takes a line of JSON for each event: ``began``, ``ended``, ``missing``,
            ``internal``, ``warned``; gives a byte when an ``ended`` has been kept.
    """

    def __init__(self, job: dict[str, Any], channel: socket.socket) -> None:
        self._process: int = job["process"]
        self._order: list[str] = job["order"]
        self._basetemp: str | None = job["basetemp"]
        self._channel = channel
        self._benchmarks: Session | None = None
        self._reports: list[Any] = []
        self._failure: Failure | None = None

    def configure(self, config: pytest.Config) -> None:
        """Disables what only the parent may do: report files, caches, maxfail."""
        self._config = config
        # By this pytest and its plugins recognise a process that must not write them.
        config.workerinput = {"workerid": f"process{self._process}"}  # type: ignore[attr-defined]
        config.option.maxfail = 0
        config.option.stepwise = False
        config.option.basetemp = self._basetemp
        config.pluginmanager.register(self, "hpml-worker")

    def start(self, config: pytest.Config) -> None:
        """Disables the saving and the table of pytest-benchmark."""
        self._benchmarks = session_of(config)
        if self._benchmarks:
            self._benchmarks.hand_over()

    def collected(self, session: pytest.Session) -> None:
        """Silences pytest, whose summary nobody reads: Hypothesis's imports it, for a second."""
        session.config.pluginmanager.set_blocked("terminalreporter")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Selects the tests of the job, in its order."""
        by_nodeid = {item.nodeid: item for item in items}
        yield
        items[:] = [by_nodeid[nodeid] for nodeid in self._order if nodeid in by_nodeid]
        if missing := [nodeid for nodeid in self._order if nodeid not in by_nodeid]:
            self._send({"missing": missing})

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Reports the beginning of a test and its result, and waits until the result is kept."""
        self._reports, self._failure = [], None
        self._send({"began": item.nodeid})
        done = yield
        self._send(
            {
                "ended": item.nodeid,
                "reports": self._reports,
                "failure": asdict(self._failure) if self._failure else None,
                "benchmark": self._benchmarks.take() if self._benchmarks else None,
            }
        )
        self._wait()
        return done

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Records a failure with its kind."""
        report = yield
        if report.failed and self._failure is None:
            error = call.excinfo.value if call.excinfo else None
            text = str(report.longrepr) if call.excinfo is None else call.excinfo.exconly()
            self._failure = Failure(self._process, _kind(error), _first_line(text))
        return report

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Reports an internal error to the parent; pytest would only print it."""
        self._send({"internal": _first_line(excinfo.exconly())})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keeps the report for the parent."""
        hook = self._config.hook
        self._reports.append(hook.pytest_report_to_serializable(config=self._config, report=report))

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str
    ) -> None:
        """Forwards the warnings of a test; those of collection the parent has itself."""
        if when == "runtest":
            kept = ("filename", "lineno")
            fields = {name: getattr(warning_message, name) for name in kept}
            fields["message"] = str(warning_message.message)
            fields["category"] = warning_message.category.__name__
            self._send({"warned": nodeid, **fields})

    def _send(self, event: dict[str, Any]) -> None:
        try:
            self._channel.sendall(json.dumps(event, default=str).encode() + b"\n")
        except ConnectionError:
            os._exit(1)  # nobody is left to measure for

    def _wait(self) -> None:
        try:
            kept = self._channel.recv(1)
        except ConnectionError:
            kept = b""
        if not kept:
            os._exit(1)


def from_environment() -> Worker | None:
    """Returns the mode of a worker process; None if a user has started this process."""
    channel = os.environ.pop(CHANNEL, None)
    if channel is None:
        return None
    job_descriptor, socket_descriptor = (int(number) for number in channel.split())
    with os.fdopen(job_descriptor) as file:
        job = json.load(file)
    to_parent = socket.socket(fileno=socket_descriptor)
    to_parent.set_inheritable(False)
    # A loader's worker would hold it open after our death.
    os.register_at_fork(after_in_child=to_parent.close)
    return Worker(job, to_parent)


def _kind(error: BaseException | None) -> Kind:
    # By name, without an import of torch.
    names = {cls.__name__ for cls in type(error).__mro__}
    message = str(error).lower()
    if names & {"MemoryError", "OutOfMemoryError"} or any(words in message for words in _NO_MEMORY):
        return "out-of-memory"
    return "failed"


def _first_line(text: str) -> str:
    line = next(iter(text.strip().splitlines()), "")
    return line[:_LONGEST_MESSAGE]
