"""The inside of a fresh interpreter: runs the tests it is told and reports each as it ends."""

import json
import os
import socket
import warnings
from collections.abc import Generator
from dataclasses import asdict
from typing import Any

import pytest

from hpml_lab.measure.record import Failure, Kind
from hpml_lab.pytest_plugin.interpreter import CHANNEL
from hpml_lab.pytest_plugin.session import Session

_LONGEST_MESSAGE = 300
_NO_MEMORY = ("out of memory", "can't allocate memory")  # CUDA's words, and those of the CPU


class Worker:
    """Registered as a plugin of its own where `connect` finds a job.

    Args:
        job: ``process``, ``order`` (node ids) and ``basetemp`` (a folder or None).
        channel: takes a line of JSON for each event: ``began``, ``ended``, ``missing``, ``warned``;
            gives a byte once an ``ended`` is where nothing can take it.
    """

    def __init__(self, job: dict[str, Any], channel: socket.socket) -> None:
        self._process: int = job["process"]
        self._order: list[str] = job["order"]
        self._basetemp: str | None = job["basetemp"]
        self._channel = channel
        self._benchmarks: Session | None = None
        self._reports: list[Any] = []
        self._failure: Failure | None = None

    def take_over(self, config: pytest.Config) -> None:
        """Leaves to the other end what only one of us may do: report files, caches, stopping."""
        self._config = config
        # So pytest and its plugins know an interpreter that is not the one to write them.
        config.workerinput = {"workerid": f"process{self._process}"}  # type: ignore[attr-defined]
        config.option.maxfail = 0
        config.option.stepwise = False
        config.option.basetemp = self._basetemp
        config.pluginmanager.register(self, "hpml-worker")

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keeps pytest-benchmark from saving and from its table."""
        if hasattr(session.config, "_benchmarksession"):
            self._benchmarks = Session(session.config)
            self._benchmarks.hand_over()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Selects what is to run, in its order."""
        found = {item.nodeid: item for item in items}
        yield
        items[:] = [found[nodeid] for nodeid in self._order if nodeid in found]
        if missing := [nodeid for nodeid in self._order if nodeid not in found]:
            self._send({"missing": missing})

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Reports a test's beginning, and its end with all that it left, and has that kept."""
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
        """Says of which kind a failure is."""
        report = yield
        if report.failed and self._failure is None:
            error = call.excinfo.value if call.excinfo else None
            text = str(report.longrepr) if call.excinfo is None else call.excinfo.exconly()
            self._failure = Failure(self._process, _kind(error), _first_line(text))
        return report

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Tells the other end, where pytest would only print it."""
        self._send({"internal": _first_line(excinfo.exconly())})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keeps the report for the other end."""
        hook = self._config.hook
        self._reports.append(hook.pytest_report_to_serializable(config=self._config, report=report))

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str
    ) -> None:
        """Passes on what a test warned of; the other end has collected too."""
        if when == "runtest":
            kept = ("filename", "lineno")
            told = {name: getattr(warning_message, name) for name in kept}
            told["message"] = str(warning_message.message)
            self._send({"warned": nodeid, "category": warning_message.category.__name__, **told})

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


def connect() -> Worker | None:
    """Returns the worker of this interpreter, or None if it is one that a user has started."""
    channel = os.environ.pop(CHANNEL, None)
    if channel is None:
        return None
    told, reports = (int(number) for number in channel.split())
    with os.fdopen(told) as file:
        job = json.load(file)
    to_parent = socket.socket(fileno=reports)
    to_parent.set_inheritable(False)
    # A loader's worker would hold it open behind our death.
    os.register_at_fork(after_in_child=to_parent.close)
    return Worker(job, to_parent)


def _kind(error: BaseException | None) -> Kind:
    # By name: torch is not imported to ask.
    names = {cls.__name__ for cls in type(error).__mro__}
    said = str(error).lower()
    if names & {"MemoryError", "OutOfMemoryError"} or any(words in said for words in _NO_MEMORY):
        return "out-of-memory"
    return "failed"


def _first_line(text: str) -> str:
    line = next(iter(text.strip().splitlines()), "")
    return line[:_LONGEST_MESSAGE]
