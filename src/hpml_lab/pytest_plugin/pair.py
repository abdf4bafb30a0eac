"""One process of `hpml-lab ab`: what is still open, in an order of its own, from its own tree."""

import json
import os
import sys
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hpml_lab.measure.turns import take_turns
from hpml_lab.pytest_plugin.plan import shuffled

if TYPE_CHECKING:
    pass

CHANNEL = "HPML_PAIR"  # the file of the job


class Pair:
    """Registered as a plugin of its own where `connect` finds a job.

    Attributes:
        seed: of the order of cases.

    Args:
        job: ``pair`` (its number, from 1), ``seed`` (of the order of cases), ``settled`` (node ids
            to leave out), ``tree`` (the folder to import from) and ``other`` (one to import nothing
            from, or None), ``turns`` (what both processes of the pair lock in turn).
    """

    def __init__(self, job: dict[str, Any]) -> None:
        self._number: int = job["pair"]
        self.seed: int = job["seed"]
        self._settled = frozenset[str](job["settled"])
        self._tree = Path(job["tree"])
        self._other = Path(job["other"]) if job["other"] else None
        take_turns(Path(job["turns"]))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Leaves out what is settled, and shuffles the rest."""
        yield
        settled = [item for item in items if item.nodeid in self._settled]
        config.hook.pytest_deselected(items=settled)
        found = {item.nodeid: item for item in items if item.nodeid not in self._settled}
        items[:] = [found[nodeid] for nodeid in shuffled(found, self.seed, self._number)]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Refuses times of code that is not this tree's."""
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


def connect() -> Pair | None:
    """Returns the job of this process, or None of one that a user has started."""
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
