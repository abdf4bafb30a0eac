"""Saving of a run: the machine's record, the file, and the answers from it."""

from typing import Any

import pytest

from hpml_lab.errors import MeasurementError, RunFileError
from hpml_lab.measure.fingerprint import state
from hpml_lab.pytest_plugin.session import Session
from hpml_lab.report import summary, terminal
from hpml_lab.runs.reading import read_run

_ANNOUNCEMENT = "Measuring this machine's ceilings, which is done once: some seconds ..."


class Saving:
    """The plugin that completes a saved run; registered where a run is saved.

    Args:
        benchmarks: the benchmark session of the run.
    """

    def __init__(self, benchmarks: Session) -> None:
        self._before = state()
        self._benchmarks = benchmarks
        self._ceilings: dict[str, float | None] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Measures the machine's ceilings before the first case, once for a machine."""
        if not session.items or session.config.option.collectonly:
            return
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        write = reporter.write_line if reporter else _silent
        from hpml_lab.measure.ceilings import ceilings

        try:
            self._ceilings = ceilings(lambda: write(_ANNOUNCEMENT))
        except MeasurementError as error:
            write(f"No ceilings of this machine: {error}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_machine_info(self, machine_info: dict[str, Any]) -> None:
        """Adds our machine record to the stock one."""
        from hpml_lab.measure.fingerprint import machine_record

        machine_info["hpml"] = machine_record(self._before, self._ceilings)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Shows the answers from the saved file, and its path."""
        terminalreporter.ensure_newline()
        files = self._benchmarks.files
        if self._benchmarks.handed_over:
            return
        if not files:
            terminalreporter.write_line("Nothing saved: no measured case passed.")
            return
        try:
            screen = summary.summary(read_run(files[0]), summary.previous_run(files[0]))
            terminalreporter.write(terminal.render_summary(screen, summary.where(*files)))
        except RunFileError as error:
            terminalreporter.write_line(f"No answers: {error}")
            for path in files:
                terminalreporter.write_line(f"Saved: {path}")


def _silent(_line: str) -> None:
    """Discards a line."""
