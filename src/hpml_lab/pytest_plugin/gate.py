"""The performance gate: compares a run with a baseline and fails it."""

import os
import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hpml_lab.comparison.comparability import machine_difference
from hpml_lab.comparison.compare import compare
from hpml_lab.comparison.verdicts import Comparison, Refusal
from hpml_lab.errors import InputError, RunFileError
from hpml_lab.measure.fingerprint import identity, state
from hpml_lab.pytest_plugin.session import Session
from hpml_lab.report import actions
from hpml_lab.report import comparison as table
from hpml_lab.report.actions import Place
from hpml_lab.runs.baselines import find_baseline, runs_before
from hpml_lab.runs.reading import read_run, run_of
from hpml_lab.runs.schema import Run
from hpml_lab.text import printable


class Scope:
    """The cases of a baseline that a selection of tests covers.

    A plugin of its own, so that it sees what is deselected. A case is out of scope if it is
    collected and deselected, if no argument of the command reaches it, or if its file exists and
    collection leaves it out (``--ignore``, ``--ignore-glob``, ``collect_ignore``, ``--lf``).
    Everything else is in scope even if it is not collected, so that a renamed test is reported
    missing, also under ``-k``.

    Args:
        config: the configuration of the run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._deselected: set[str] = set()
        self._left_out: set[Path] = set()
        self._collected: set[Path] = set()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_ignore_collect(
        self, collection_path: Path
    ) -> Generator[None, bool | None, bool | None]:
        """Records the files and folders that options and conftests leave out."""
        ignored = yield
        if ignored:
            self._left_out.add(collection_path.resolve())
        return ignored

    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        """Records the tests that ``-k``, ``-m``, ``--deselect`` or a conftest leave out."""
        self._deselected.update(item.nodeid for item in items)

    def __contains__(self, nodeid: str) -> bool:
        return (
            nodeid not in self._deselected
            and self._reached(self._config.args, nodeid)
            and not self._is_left_out(nodeid)
        )

    def _is_left_out(self, nodeid: str) -> bool:
        file = Path(self._config.rootpath, nodeid.partition("::")[0]).resolve()
        if not self._left_out.isdisjoint({file, *file.parents}):
            return True
        # From files without failures --lf collects nothing, and no hook reports it.
        failed_only = self._config.getoption("lf", default=False)
        return bool(failed_only and file.is_file() and file not in self._collected)

    def pytest_collection_modifyitems(self, items: Iterable[pytest.Item]) -> None:
        """Records the files from which anything was collected."""
        self._collected = {item.path.resolve() for item in items}

    def _reached(self, arguments: Iterable[str], nodeid: str) -> bool:
        return any(_begins(nodeid, self._node(argument)) for argument in arguments)

    def _node(self, argument: str) -> str:
        """Returns the node id that an argument names; an empty one for everything."""
        path, colons, inside = argument.partition("::")
        absolute = Path(self._config.invocation_params.dir, path).resolve()
        root = self._config.rootpath.resolve()
        # A module's name or a folder elsewhere: rather too many cases are missing than too few.
        if absolute == root or not absolute.is_relative_to(root) or not absolute.exists():
            return ""
        return f"{absolute.relative_to(root).as_posix()}{colons}{inside}"


def _begins(nodeid: str, start: str) -> bool:
    return (
        not start or nodeid == start or nodeid.startswith((f"{start}/", f"{start}::", f"{start}["))
    )


_HISTORY = 10  # earlier runs that show the drift of this machine
_NAME = "hpml-gate"  # names a failure that concerns no single case


@dataclass(frozen=True)
class Baseline:
    """The saved run that a run is compared with.

    Attributes:
        path: its file.
        run: its contents.
        history: this machine's other runs, the oldest first.
    """

    path: Path
    run: Run
    history: list[Run]


def gate_of(wanted: str, config: pytest.Config, benchmarks: Session | None) -> "Gate":
    """Returns the gate of a run; reads its baseline before anything is measured.

    Args:
        wanted: the baseline, as `runs.baselines.find_baseline` takes it.
        config: the configuration of the run.
        benchmarks: its benchmark session; None where nothing is measured.

    Raises:
        InputError: if this run cannot be gated at all, or there is no such baseline.
        RunFileError: if the baseline cannot be read.
    """
    if config.option.collectonly:
        raise InputError("--hpml-gate runs the tests; leave out --collect-only")
    if benchmarks is None:
        raise InputError(
            "--hpml-gate needs benchmarks that run; leave out --benchmark-disable, "
            "--benchmark-skip and -p no:benchmark"
        )
    path = find_baseline(wanted, benchmarks.folders, config.invocation_params.dir)
    run = read_run(path)
    _check_same_machine(run, path, benchmarks)
    earlier = runs_before(path, benchmarks.folder, _HISTORY)
    baseline = Baseline(path, run, list(_readable(earlier)))
    return Gate(baseline, Scope(config), benchmarks)


def _check_same_machine(run: Run, path: Path, benchmarks: Session) -> None:
    if not run.benchmarks:
        raise InputError(f"baseline {str(path)!r} holds no case; name another or save it again")
    machine = run.machine_info.hpml
    if machine is not None and machine.id != (ours := identity().id):
        raise InputError(
            f"baseline {str(path)!r} is of machine {machine.id!r}, this one is {ours!r}; seconds "
            "of two machines are not comparable: save a baseline on this one"
        )
    this = replace(run, machine_info=run_of(_empty(benchmarks.described_machine())).machine_info)
    if (differ := machine_difference([run], [this])) is not None:
        raise InputError(
            f"baseline {str(path)!r} is not of this machine ({differ}); seconds of two machines "
            "are not comparable: save a baseline on this one"
        )


def _empty(machine_info: dict[str, Any]) -> dict[str, Any]:
    stock = {name: value for name, value in machine_info.items() if name != "hpml"}
    return {"machine_info": stock, "benchmarks": [], "datetime": "", "version": ""}


def _readable(paths: list[Path]) -> Generator[Run]:
    for path in paths:
        try:
            yield read_run(path)
        except RunFileError:
            continue  # it only adds to the estimate of drift; others do too


class Gate:
    """The plugin that judges a run; registered where a run is gated.

    Args:
        baseline: the run to compare with.
        scope: the cases of the baseline that are compared.
        benchmarks: the benchmark session of the run.

    Attributes:
        scope: as given; it must be registered too.
    """

    def __init__(self, baseline: Baseline, scope: Scope, benchmarks: Session) -> None:
        self.scope = scope
        self._baseline = baseline
        self._benchmarks = benchmarks
        self._before = state()
        self._skipped: dict[str, str] = {}
        self._comparison: Comparison | None = None
        self._places: dict[str, Place] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Records the reason of a skipped test."""
        if report.skipped:
            self._skipped[report.nodeid] = f"skipped in this run: {_reason(report)}"

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Compares the results with the baseline, and reports one failure for each refusal."""
        done = yield
        self._comparison = self._explained(self._compare())
        self._places = _places(session.items)
        items = {item.nodeid: item for item in session.items}
        for refusal in self._comparison.refusals:
            report = _report(refusal, items.get(refusal.fullname))
            session.config.hook.pytest_runtest_logreport(report=report)
        return done

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Suppresses dots of our failures; the table shows them better."""
        return ("failed", "", "FAILED") if hasattr(report, "hpml_gate") else None

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Shows the table and the outcome, on the terminal and to CI."""
        terminalreporter.section("performance gate")
        if self._comparison is None:
            terminalreporter.write_line("Not judged: the run was stopped. It has not passed.")
            return
        text = f"Baseline: {self._baseline.path}\n{table.render(self._comparison)}"
        terminalreporter.write(actions.without_commands(text))
        terminalreporter.ensure_newline()
        actions.show(self._comparison, terminalreporter.write_line, self._places)

    def _compare(self) -> Comparison:
        from hpml_lab.measure.fingerprint import machine_record

        ours = {"hpml": machine_record(self._before, {})}
        machine_info = self._benchmarks.described_machine() | ours
        run = run_of(self._benchmarks.run(machine_info))
        return compare([self._base()], [run], history=self._baseline.history)

    def _base(self) -> Run:
        """Returns the baseline, reduced to the cases in scope."""
        run, scope = self._baseline.run, self.scope
        benchmarks = [benchmark for benchmark in run.benchmarks if benchmark.fullname in scope]
        if run.hpml is None:
            return replace(run, benchmarks=benchmarks)
        unmeasured = {name: why for name, why in run.hpml.unmeasured.items() if name in scope}
        return replace(run, benchmarks=benchmarks, hpml=replace(run.hpml, unmeasured=unmeasured))

    def _explained(self, comparison: Comparison) -> Comparison:
        """Returns the comparison with reasons for missing cases that this run skipped."""
        verdicts = [
            replace(verdict, reason=self._skipped[verdict.fullname])
            if verdict.verdict == "missing" and verdict.fullname in self._skipped
            else verdict
            for verdict in comparison.verdicts
        ]
        return replace(comparison, verdicts=verdicts)


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def _report(refusal: Refusal, item: pytest.Item | None) -> pytest.TestReport:
    """Returns a failure as if a test of the case's name had failed, which is what JUnit shows."""
    name = refusal.fullname or _NAME
    nodeid = item.nodeid if item else _one_line(name)
    return pytest.TestReport(
        nodeid=nodeid,
        location=item.location if item else (nodeid.partition("::")[0], None, nodeid),
        keywords={},
        outcome="failed",
        longrepr=_one_line(refusal.why),
        when="call",
        hpml_gate=True,
    )


def _one_line(text: str) -> str:
    """Returns text from a file as one line in which GitHub Actions reads no command."""
    return re.sub(r"^\s*::|##\[", "?", printable(text))


def _places(items: Iterable[pytest.Item]) -> dict[str, Place]:
    """Returns file and line of each test, relative to the repository of a job."""
    root = Path(os.environ.get("GITHUB_WORKSPACE", Path.cwd())).resolve()
    return {
        item.nodeid: (item.path.relative_to(root).as_posix(), (item.location[1] or 0) + 1)
        for item in items
        if item.path.is_relative_to(root)
    }
