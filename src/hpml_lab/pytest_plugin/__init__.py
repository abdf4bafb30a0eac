"""The pytest plugin: options, markers, fixtures, hooks. It imports torch only to measure."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from hpml_lab.errors import HpmlError, InputError, RunFileError
from hpml_lab.pytest_plugin import cases, estimate, pair, plan, ranks
from hpml_lab.pytest_plugin.benchmark import Bench
from hpml_lab.pytest_plugin.leftovers import let_go
from hpml_lab.pytest_plugin.measuring import Measure
from hpml_lab.pytest_plugin.one_process import OneProcess
from hpml_lab.pytest_plugin.progress import Progress
from hpml_lab.pytest_plugin.session import Session, hold_comparison, will_save
from hpml_lab.pytest_plugin.settings import SETTINGS, Settings, add_options, read_settings
from hpml_lab.pytest_plugin.worker import connect

MARKERS = (
    "gpu: needs a CUDA device",
    "hpml_once: exact, or repeated by axes of its own; measured in the first process alone",
    "hpml_alone: runs in an interpreter of its own, where tests run in fresh ones",
    "hpml_work(by=FUNCTION): says what a case does, for the estimate of --collect-only",
)
_IN_WORKER = pytest.StashKey[bool]()
_IN_PAIR = pytest.StashKey[bool]()
_NO_GPU = pytest.StashKey[str]()
_MEASURE = pytest.StashKey[Measure]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares the ``--hpml-*`` options and ini values."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Reads the settings and declares the markers."""
    worker = connect()
    config.stash[_IN_WORKER] = worker is not None
    if worker is not None:
        worker.take_over(config)
    one_of_pair = pair.connect()
    config.stash[_IN_PAIR] = one_of_pair is not None
    if one_of_pair is not None:
        config.pluginmanager.register(one_of_pair, "hpml-pair")
        config.pluginmanager.register(OneProcess(one_of_pair.seed), "hpml-one-process")
    rank = ranks.rank()
    if rank:
        ranks.leave_saving(config)
    hold_comparison(config)
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
    """Prepares saving, comparing and fresh interpreters, and says no to what would spoil them."""
    config = session.config
    settings = config.stash[SETTINGS]
    try:
        cases.check(settings)
    except InputError as error:
        raise pytest.UsageError(str(error)) from error
    if config.stash[_IN_WORKER]:
        return
    benchmarks = _benchmarks(config)
    if config.stash[_IN_PAIR]:
        return
    if benchmarks and (benchmarks.saves or benchmarks.compares or settings.gate):
        from hpml_lab.measure.machine import identity

        benchmarks.use_folder(identity().id)
    if settings.gate is not None:
        _gate(config, settings.gate, benchmarks)
    if settings.processes:
        _refuse_elsewhere(config)
        _spread(config, settings, benchmarks)
    if benchmarks and benchmarks.saves:
        from hpml_lab.pytest_plugin.saving import Saving

        config.pluginmanager.register(Saving(benchmarks), "hpml-saving")
        if not settings.processes:
            config.pluginmanager.register(OneProcess(settings.seed), "hpml-one-process")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Starts interpreters of a pair's process for tests that must be alone, and for no others."""
    config = session.config
    if config.stash[_IN_PAIR] and any(plan.selected(item).alone for item in session.items):
        _spread(config, config.stash[SETTINGS], _benchmarks(config))


def _benchmarks(config: pytest.Config) -> Session | None:
    """Returns the benchmark session; None where nothing is measured."""
    if not hasattr(config, "_benchmarksession"):
        return None
    benchmarks = Session(config)
    return benchmarks if benchmarks.active else None


def _gate(config: pytest.Config, wanted: str, benchmarks: Session | None) -> None:
    from hpml_lab.pytest_plugin.gate import gate_of

    try:
        gate = gate_of(wanted, config, benchmarks)
    except (InputError, RunFileError) as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(gate.scope, "hpml-scope")
    config.pluginmanager.register(gate, "hpml-gate")


def _refuse_elsewhere(config: pytest.Config) -> None:
    """Refuses options that need the tests in another interpreter, or in this one."""
    if getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(
            "-n of xdist runs cases side by side, which spoils their times; save without -n"
        )
    if config.option.usepdb or config.option.trace:
        raise pytest.UsageError(
            "--pdb and --trace need the tests in this interpreter; leave out --hpml-processes and "
            "what saves"
        )


def _spread(config: pytest.Config, settings: Settings, benchmarks: Session | None) -> None:
    from hpml_lab.pytest_plugin.journaling import Journaling
    from hpml_lab.pytest_plugin.processes import Processes

    # The pairs of a comparison keep what has ended themselves.
    saved = benchmarks is not None and benchmarks.saves and not config.stash[_IN_PAIR]
    journaling = Journaling(settings, benchmarks) if benchmarks and saved else None
    if journaling:
        config.pluginmanager.register(journaling, "hpml-journaling")
    progress = _progress(config.pluginmanager.get_plugin("terminalreporter"))
    config.pluginmanager.register(progress, "hpml-progress")
    processes = Processes(config, settings, progress, benchmarks, journaling)
    config.pluginmanager.register(processes, "hpml-processes")


def _progress(reporter: Any) -> Progress:
    if reporter is None:
        return Progress(lambda _text: None)
    reporter.showfspath = False  # its lines of file names would stand between ours

    def write(text: str) -> None:
        reporter.write(text, flush=True)

    return Progress(write)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips gpu cases where there is no GPU, or fails if one is required."""
    required = config.stash[SETTINGS].require_gpu
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if not (required or on_gpu):
        return
    from hpml_lab.workloads.devices import missing

    if (reason := missing("cuda")) is None:
        return
    if required:
        raise pytest.UsageError(f"--hpml-require-gpu: {reason}")
    config.stash[_NO_GPU] = reason
    for item in on_gpu:
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Checks what a test has measured as long as the test can still fail for it."""
    done = yield
    measure = pyfuncitem.stash.get(_MEASURE, None)
    if measure is not None:
        measure.check()
    return done


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Lets go of what a failed test has left, so that nothing of it is at work beside the next."""
    done = yield
    if item.stash.get(_MEASURE, None) is not None:
        let_go()
    return done


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Takes the result of a failed test back, and turns our errors into one line."""
    report = yield
    measure = item.stash.get(_MEASURE, None)
    if measure is not None and not report.passed:
        measure.discard()
    if call.excinfo is not None and call.excinfo.errisinstance(HpmlError):
        report.longrepr = f"{item.nodeid}: {call.excinfo.value}"
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Says once why gpu cases were skipped, or how long they would take."""
    if config.option.collectonly:
        items = terminalreporter._session.items
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
    measure = Measure(bench, dict(callspec.params) if callspec else {})
    request.node.stash[_MEASURE] = measure
    yield measure
    measure.finish()
