"""``--hpml-gate``: at its end a run is compared with a baseline, and fails by what that says."""

import os
import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hpml_lab.errors import InputError, RunFileError
from hpml_lab.history.baselines import find_baseline, runs_before
from hpml_lab.history.run import Run, read_run, run_of
from hpml_lab.measure.machine import identity, state
from hpml_lab.pytest_plugin.scope import Scope
from hpml_lab.pytest_plugin.session import Session
from hpml_lab.report import actions
from hpml_lab.report import comparison as table
from hpml_lab.report.annotations import Place
from hpml_lab.verdict.comparability import machine_difference
from hpml_lab.verdict.compare import compare
from hpml_lab.verdict.comparison import Comparison, Refusal

_HISTORY = 10  # earlier runs that say how much this machine moves
_NAME = "hpml-gate"  # of a failure that is about no single case


@dataclass(frozen=True)
class Baseline:
    """What a run is compared with.

    Attributes:
        path: its file.
        run: what is in it.
        history: this machine's other runs, the oldest first.
    """

    path: Path
    run: Run
    history: list[Run]


def gate_of(wanted: str, config: pytest.Config, benchmarks: Session | None) -> "Gate":
    """Returns the gate of a run; its baseline is found and read before anything is measured.

    Args:
        wanted: as `history.baselines.find_baseline` takes it.
        config: of the run.
        benchmarks: its benchmark session; None where nothing is measured.

    Raises:
        InputError: if this run cannot be gated at all, or there is no such baseline.
        RunFileError: if it cannot be read.
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
    _refuse(run, path, benchmarks)
    earlier = runs_before(path, benchmarks.folder, _HISTORY)
    baseline = Baseline(path, run, list(_readable(earlier)))
    return Gate(baseline, Scope(config), benchmarks)


def _refuse(run: Run, path: Path, benchmarks: Session) -> None:
    if not run.benchmarks:
        raise InputError(f"baseline {str(path)!r} holds no case; name another or save it again")
    machine = run.machine_info.hpml
    if machine is not None and machine.id != (here := identity().id):
        raise InputError(
            f"baseline {str(path)!r} is of machine {machine.id!r}, this one is {here!r}; seconds "
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
            continue  # it only says how much the machine moves; others do too


class Gate:
    """Registered as a plugin of its own where a run is gated.

    Args:
        baseline: what it is compared with.
        scope: which cases of the baseline it is about.
        benchmarks: its benchmark session.

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
        """Takes down why a test measures nothing."""
        if report.skipped:
            self._skipped[report.nodeid] = f"skipped in this run: {_reason(report)}"

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Judges what the tests measured, and fails once for each reason."""
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
        """Keeps dots of our failures away; the table says it better."""
        return ("failed", "", "FAILED") if hasattr(report, "hpml_gate") else None

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Shows the table and the outcome, on the terminal and to CI."""
        terminalreporter.section("performance gate")
        if self._comparison is None:
            terminalreporter.write_line("Not judged: the run was stopped. It has not passed.")
            return
        text = f"Baseline: {self._baseline.path}\n{table.render(self._comparison)}"
        terminalreporter.write(actions.harmless(text))
        terminalreporter.ensure_newline()
        actions.show(self._comparison, terminalreporter.write_line, self._places)

    def _compare(self) -> Comparison:
        from hpml_lab.measure.fingerprint import machine_record

        told = self._benchmarks.described_machine() | {"hpml": machine_record(self._before, {})}
        run = run_of(self._benchmarks.run(told))
        return compare([self._base()], [run], history=self._baseline.history)

    def _base(self) -> Run:
        """Returns what of the baseline this run is about."""
        run, scope = self._baseline.run, self.scope
        benchmarks = [each for each in run.benchmarks if each.fullname in scope]
        if run.hpml is None:
            return replace(run, benchmarks=benchmarks)
        lost = {name: why for name, why in run.hpml.unmeasured.items() if name in scope}
        return replace(run, benchmarks=benchmarks, hpml=replace(run.hpml, unmeasured=lost))

    def _explained(self, comparison: Comparison) -> Comparison:
        """Returns it with a reason for missing cases that were skipped here."""
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
    nodeid = item.nodeid if item else _tame(name)
    return pytest.TestReport(
        nodeid=nodeid,
        location=item.location if item else (nodeid.partition("::")[0], None, nodeid),
        keywords={},
        outcome="failed",
        longrepr=_tame(refusal.why),
        when="call",
        hpml_gate=True,
    )


def _tame(text: str) -> str:
    """Returns text of a file as one line, in which GitHub Actions finds no command either."""
    printable = "".join(c if c.isprintable() else "?" for c in text)
    return re.sub(r"^\s*::|##\[", "?", printable)


def _places(items: Iterable[pytest.Item]) -> dict[str, Place]:
    """Returns where the tests are, as the repository of a job names files."""
    root = Path(os.environ.get("GITHUB_WORKSPACE", Path.cwd())).resolve()
    return {
        item.nodeid: (item.path.relative_to(root).as_posix(), (item.location[1] or 0) + 1)
        for item in items
        if item.path.is_relative_to(root)
    }
