"""One process of `hpml-lab ab`: the undecided cases, in an order of its own, from its own tree."""

import json
import os
import sys
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hpml_lab.measure.turns import take_turns
from hpml_lab.pytest_plugin.one_process import OneProcess
from hpml_lab.pytest_plugin.schedule import selected, shuffled
from hpml_lab.pytest_plugin.session import session_of
from hpml_lab.pytest_plugin.start_workers import start_workers

CHANNEL = "HPML_PAIR"  # the file of the job


class Pair:
    """The mode of one process of a pair, where `from_environment` finds a job.

    Attributes:
        seed: the seed of the order of cases.

    Args:
        job: ``pair`` (its number, from 1), ``seed`` (as above), ``settled`` (node ids of the
            decided cases, which are left out), ``tree`` (the folder to import from), ``other`` (one
            to import nothing from, or None), ``turns`` (the file that both processes of the pair
            lock in turn).
    """

    def __init__(self, job: dict[str, Any]) -> None:
        self._number: int = job["pair"]
        self.seed: int = job["seed"]
        self._settled = frozenset[str](job["settled"])
        self._tree = Path(job["tree"])
        self._other = Path(job["other"]) if job["other"] else None
        take_turns(Path(job["turns"]))

    def configure(self, config: pytest.Config) -> None:
        """Registers the selection and order of its tests, and the record of its failures."""
        config.pluginmanager.register(self, "hpml-pair")
        config.pluginmanager.register(OneProcess(self.seed), "hpml-one-process")

    def start(self, config: pytest.Config) -> None:
        """Creates the benchmark session; nothing is saved in a folder of the machine."""
        session_of(config)

    def collected(self, session: pytest.Session) -> None:
        """Runs the tests in worker processes only if one of them must be alone."""
        if any(selected(item).alone for item in session.items):
            start_workers(session.config, saved=False)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Deselects the decided cases, and shuffles the rest."""
        yield
        settled = [item for item in items if item.nodeid in self._settled]
        config.hook.pytest_deselected(items=settled)
        undecided = {item.nodeid: item for item in items if item.nodeid not in self._settled}
        items[:] = [undecided[nodeid] for nodeid in shuffled(undecided, self.seed, self._number)]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Refuses a run that has imported code from outside its tree."""
        done = yield
        for name, file in _imported():
            if self._is_foreign(name, file):
                raise pytest.UsageError(
                    f"{name} was imported from {file}, not from the revision in {self._tree}; "
                    "a project whose code is neither in src/ nor beside its tests has to be "
                    "importable from there"
                )
        return done

    def _is_foreign(self, name: str, file: Path) -> bool:
        if file.is_relative_to(self._tree):
            return False
        ours = any((folder / name / "__init__.py").is_file() for folder in self._sources())
        return ours or (
            self._other is not None and file.is_relative_to(self._other) and not _is_installed(file)
        )

    def _sources(self) -> Iterable[Path]:
        return self._tree, self._tree / "src"


def from_environment() -> Pair | None:
    """Returns the mode of a process of a pair; None if a user has started this process."""
    file = os.environ.pop(CHANNEL, None)  # interpreters that it starts are no pairs
    return Pair(json.loads(Path(file).read_text())) if file else None


def _imported() -> Iterator[tuple[str, Path]]:
    """Yields the top-level name and the file of every module."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file:
            yield name.partition(".")[0], Path(file).resolve()


def _is_installed(file: Path) -> bool:
    return file.is_relative_to(Path(sys.prefix).resolve()) or "site-packages" in file.parts
