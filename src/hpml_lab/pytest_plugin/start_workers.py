"""Registers the plugins that run the selected tests in worker processes."""

from typing import Any

import pytest

from hpml_lab.pytest_plugin.live import Bar, Lines
from hpml_lab.pytest_plugin.progress import Progress
from hpml_lab.pytest_plugin.session import session_of
from hpml_lab.pytest_plugin.settings import SETTINGS


def start_workers(config: pytest.Config, *, saved: bool) -> None:
    """Registers worker processes, their progress and, for a saved run, the journal.

    Args:
        config: the configuration of the run.
        saved: whether the run is saved here, and so has a journal.
    """
    from hpml_lab.pytest_plugin.journaling import Journaling
    from hpml_lab.pytest_plugin.processes import Processes

    settings, benchmarks = config.stash[SETTINGS], session_of(config)
    if benchmarks and not benchmarks.active:
        benchmarks = None
    journaling = Journaling(settings, benchmarks) if benchmarks and saved else None
    if journaling:
        config.pluginmanager.register(journaling, "hpml-journaling")
    progress = _progress(config.pluginmanager.get_plugin("terminalreporter"))
    config.pluginmanager.register(progress, "hpml-progress")
    processes = Processes(config, settings, progress, benchmarks, journaling)
    config.pluginmanager.register(processes, "hpml-processes")


def _progress(reporter: Any) -> Progress:
    if reporter is None:
        return Progress(Lines(lambda _text: None))
    reporter.showfspath = False  # its lines of file names would stand between ours
    if reporter.isatty:
        return Progress(Bar(reporter._tw._file))  # where pytest itself writes, capturing or not

    def write(text: str) -> None:
        reporter.write(text, flush=True)

    return Progress(Lines(write))
