"""The record of a question of the labs, which joins the modules in its folder."""

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from hpml_lab.comparison.ratios import Contrast
from hpml_lab.labs.answer import Answer
from hpml_lab.runs.schema import Run

if TYPE_CHECKING:  # matplotlib takes longer to import than an answer takes to print
    from hpml_lab.labs.picture import Picture


@dataclass(frozen=True)
class Published:
    """The write-ups' numbers for a question.

    Attributes:
        items: the write-ups' names of the question.
        quantity: seconds of an epoch, bytes of memory, or counts of a network.
        samples: samples of an epoch.
        warm_up: warm-up epochs of our own cases, which are not counted.
    """

    items: tuple[str, ...]
    quantity: Literal["seconds", "bytes", "counts"] = "seconds"
    samples: int = 50_000
    warm_up: int = 1


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question of the labs.

    Its folder has the modules ``bench`` (the tests that measure it, all in the group `group`) and
    ``table`` (``answers(run)``). It may have ``figure`` (``pictures(run)``) and ``checks`` (of
    published claims, see `claims.checking`).

    Attributes:
        folder: name of its folder in `labs`.
        title: what it is about, as a heading.
        group: group of its benchmarks in a saved run.
        items: the labs' names of its parts; empty if no lab asks for it.
        sizes: sizes by profile, in addition to the profile's training.
        contrasts: ratios by which machines are compared.
        published: the numbers that the write-ups printed for it.
        isolated: profiles in which each case on a GPU runs in a fresh interpreter, so that all
            reserved memory belongs to the case.
    """

    folder: str
    title: str
    group: str
    items: tuple[str, ...] = ()
    sizes: Mapping[str, Any] = field(default_factory=dict)
    contrasts: tuple[Contrast, ...] = ()
    published: Published | None = None
    isolated: frozenset[str] = frozenset()

    def answers(self, run: Run) -> list[Answer]:
        """Returns a saved run's answers to the question; empty if it was not measured."""
        answers: list[Answer] = importlib.import_module(self.module("table")).answers(run)
        return answers

    def pictures(self, run: Run) -> "Iterator[Picture]":
        """Yields the pictures of a saved run for the question."""
        if importlib.util.find_spec(self.module("figure")):
            yield from importlib.import_module(self.module("figure")).pictures(run)

    @property
    def test(self) -> str:
        """Path of the test that measures it."""
        return f"tests/perf/test_{self.folder}.py"

    def module(self, role: str) -> str:
        """Returns the name of one of its modules, such as ``bench``."""
        return f"hpml_lab.labs.{self.folder}.{role}"
