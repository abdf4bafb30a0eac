"""The mode of this process in a run: started by a user, a worker, or one of a pair."""

from typing import Protocol

import pytest

from hpml_lab.errors import InputError, RunFileError
from hpml_lab.pytest_plugin import pair, worker
from hpml_lab.pytest_plugin.one_process import OneProcess
from hpml_lab.pytest_plugin.session import Session, session_of
from hpml_lab.pytest_plugin.settings import SETTINGS
from hpml_lab.pytest_plugin.start_workers import start_workers


class Mode(Protocol):
    """The tasks of a process besides running tests."""

    def configure(self, config: pytest.Config) -> None:
        """Called before the settings are read."""
        ...

    def start(self, config: pytest.Config) -> None:
        """Called when the session starts.

        Raises:
            UsageError: for options that cannot be followed.
        """
        ...

    def collected(self, session: pytest.Session) -> None:
        """Called when the tests are collected."""
        ...


class User:
    """A run that a user has started: it compares, saves, and starts worker processes."""

    def configure(self, config: pytest.Config) -> None:
        """Does nothing."""

    def start(self, config: pytest.Config) -> None:
        """Prepares saving, comparing and worker processes; refuses incompatible options."""
        settings, benchmarks = config.stash[SETTINGS], session_of(config)
        if benchmarks and not benchmarks.active:
            benchmarks = None
        if benchmarks and (benchmarks.saves or benchmarks.compares or settings.gate):
            from hpml_lab.measure.fingerprint import identity

            benchmarks.use_folder(identity().id)
        if settings.gate is not None:
            _gate(config, settings.gate, benchmarks)
        saves = benchmarks is not None and benchmarks.saves
        if settings.processes:
            _check_incompatible_options(config)
            start_workers(config, saved=saves)
        if benchmarks and saves:
            from hpml_lab.pytest_plugin.saving import Saving

            config.pluginmanager.register(Saving(benchmarks), "hpml-saving")
            if not settings.processes:
                config.pluginmanager.register(OneProcess(settings.seed), "hpml-one-process")

    def collected(self, session: pytest.Session) -> None:
        """Does nothing: the worker processes are registered at the start."""


def chosen_mode() -> Mode:
    """Returns the mode of this process, by the environment that its parent has set."""
    return worker.from_environment() or pair.from_environment() or User()


def _gate(config: pytest.Config, wanted: str, benchmarks: Session | None) -> None:
    from hpml_lab.pytest_plugin.gate import gate_of

    try:
        gate = gate_of(wanted, config, benchmarks)
    except (InputError, RunFileError) as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(gate.scope, "hpml-scope")
    config.pluginmanager.register(gate, "hpml-gate")


def _check_incompatible_options(config: pytest.Config) -> None:
    """Refuses options that are incompatible with worker processes."""
    if getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(
            "-n of xdist runs cases side by side, which spoils their times; save without -n"
        )
    if config.option.usepdb or config.option.trace:
        raise pytest.UsageError(
            "--pdb and --trace need the tests in this interpreter; leave out --hpml-processes and "
            "what saves"
        )
