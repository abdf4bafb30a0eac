"""The pytest plugin: options, markers, fixtures, hooks. It imports torch only to measure."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from hpml_lab.errors import HpmlError, InputError
from hpml_lab.pytest_plugin import axes, estimate, torchrun
from hpml_lab.pytest_plugin.benchmark import Bench
from hpml_lab.pytest_plugin.leftovers import release_leftovers
from hpml_lab.pytest_plugin.measuring import Measure
from hpml_lab.pytest_plugin.mode import Mode, chosen_mode
from hpml_lab.pytest_plugin.session import defer_comparison, will_save
from hpml_lab.pytest_plugin.settings import SETTINGS, add_options, read_settings

MARKERS = (
    "gpu: needs a CUDA device",
    "hpml_once: exact, or repeated by axes of its own; measured in the first process alone",
    "hpml_alone: runs in an interpreter of its own, where tests run in fresh ones",
    "hpml_work(by=FUNCTION): says what a case does, for the estimate of --collect-only",
)
_MODE = pytest.StashKey[Mode]()
_NO_GPU = pytest.StashKey[str]()
_MEASURE = pytest.StashKey[Measure]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares the ``--hpml-*`` options and ini values."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Reads the settings and declares the markers."""
    config.stash[_MODE] = chosen_mode()
    config.stash[_MODE].configure(config)
    rank = torchrun.rank()
    if rank:
        torchrun.leave_saving(config)
    defer_comparison(config)
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    try:
        settings = read_settings(config, saving=will_save(config), ranks=rank is not None)
        config.stash[SETTINGS] = settings
    except InputError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_report_header(config: pytest.Config) -> str:
    """Shows the settings in force."""
    return f"hpml: {config.stash[SETTINGS]}"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Checks data and axes, and starts the mode of this process."""
    try:
        axes.check(session.config.stash[SETTINGS])
    except InputError as error:
        raise pytest.UsageError(str(error)) from error
    session.config.stash[_MODE].start(session.config)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Starts additional worker processes where the tests ask for them."""
    session.config.stash[_MODE].collected(session)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips gpu cases where there is no GPU, or fails if one is required."""
    required = config.stash[SETTINGS].require_gpu
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if not (required or on_gpu):
        return
    from hpml_lab.training.backends import why_unavailable

    if (reason := why_unavailable("cuda")) is None:
        return
    if required:
        raise pytest.UsageError(f"--hpml-require-gpu: {reason}")
    config.stash[_NO_GPU] = reason
    for item in on_gpu:
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Checks the record of a test while the test can still fail for it."""
    done = yield
    measure = pyfuncitem.stash.get(_MEASURE, None)
    if measure is not None:
        measure.check()
    return done


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Releases what a failed test keeps alive, so that nothing of it runs during the next test."""
    done = yield
    if item.stash.get(_MEASURE, None) is not None:
        release_leftovers()
    return done


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Discards the result of a failed test, and shortens our errors to one line."""
    report = yield
    measure = item.stash.get(_MEASURE, None)
    if measure is not None and not report.passed:
        measure.discard()
    if call.excinfo is not None and call.excinfo.errisinstance(HpmlError):
        report.longrepr = f"{item.nodeid}: {call.excinfo.value}"
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Says once why gpu cases were skipped, what had no effect, or how long they would take."""
    items = terminalreporter._session.items
    if config.stash[SETTINGS].axis and not any(axes.are_asked_for(item) for item in items):
        terminalreporter.write_line(
            "--hpml-axis had no effect: no selected test asks for `training`; use "
            "pytest.mark.parametrize in a test of your own"
        )
    if config.option.collectonly:
        try:
            table = list(estimate.lines(items, config.stash[SETTINGS]))
        except InputError as error:
            table = [f"no estimate: {error}"]
        for line in table:
            terminalreporter.write_line(line)
    reason = config.stash.get(_NO_GPU, None)
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if reason and reason in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} gpu cases skipped: {reason}")


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Iterator[Measure]:
    """Times a step or epochs and keeps the record; see `measuring.Measure`."""
    callspec = getattr(request.node, "callspec", None)
    bench = Bench(request.getfixturevalue("benchmark"))
    parameters = dict(callspec.params) if callspec else {}
    measure = Measure(bench, parameters, _trace_file(request.node))
    request.node.stash[_MEASURE] = measure
    yield measure
    measure.finish()


def _trace_file(item: pytest.Item) -> Path | None:
    """Returns the file of a test's trace, which the first process alone records."""
    folder = item.config.stash[SETTINGS].trace
    worker = getattr(item.config, "workerinput", {"workerid": "process1"})["workerid"]
    if not folder or worker != "process1":
        return None
    from hpml_lab.measure.tracing import trace_file

    return trace_file(Path(folder), item.nodeid)
