"""All tables and pictures of a saved run: a user's own steps, and the lab's questions in order."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hpml_lab.errors import InputError, unknown
from hpml_lab.labs.answer import Answer, records_fit
from hpml_lab.labs.question import Question
from hpml_lab.labs.questions import QUESTIONS
from hpml_lab.report import own_steps, roofline_table, run_warnings, timed, traces
from hpml_lab.runs.schema import Run

if TYPE_CHECKING:  # matplotlib takes longer to import than an answer takes to print
    from hpml_lab.labs.picture import Picture


def answers(run: Run) -> list[Answer]:
    """Returns an answer for each lab item that the run has measured, in the lab's order.

    A user's own steps come first.

    Raises:
        RunFileError: if the run's records cannot be those of a measurement.
    """
    with records_fit():
        labs = [answer for question in QUESTIONS for answer in question.answers(run)]
        return [
            *own_steps.answers(run),
            *labs,
            *roofline_table.answers(run),
            *traces.answers(run),
        ]


def all_tables(run: Run) -> list[Answer]:
    """Returns all tables: timed cases, answers, and the warnings last, where a terminal ends.

    Raises:
        RunFileError: as `answers`.
    """
    with records_fit():
        return [*timed.answers(run), *answers(run), *run_warnings.answers(run)]


def tables_of(run: Run, item: str) -> list[Answer]:
    """Returns the tables of one item.

    Args:
        run: the saved run.
        item: a lab's name such as ``C3`` or ``Q1``, a question's such as ``techniques``, or
            ``cases`` (all that were timed), ``steps`` (the user's own), ``warnings``, ``roofline``
            or ``traces``; in any case; or the name of a test of the run.

    Raises:
        InputError: for an unknown item, or one that the run has not measured.
        RunFileError: as `answers`.
    """
    wanted = item.lower()
    question = next((question for question in QUESTIONS if wanted in _names(question)), None)
    if item in {benchmark.name.partition("[")[0] for benchmark in run.benchmarks}:
        return own_steps.answers(run) or timed.answers(run)
    if question is None and wanted not in _OTHERS:
        known = [name for question in QUESTIONS for name in (*question.items, question.folder)]
        raise unknown("item", item, dict.fromkeys([*known, *_OTHERS]))
    with records_fit():
        if question is None:
            return _OTHERS[wanted](run)
        tables = question.answers(run)
    if not tables:
        raise InputError(
            f"{item} is not in this run; measure it with: pytest {question.test} "
            "--benchmark-save=NAME"
        )
    return [table for table in tables if table.item.lower() == wanted] or tables


def _names(question: Question) -> set[str]:
    return {question.folder, *map(str.lower, question.items)}


_OTHERS: dict[str, Callable[[Run], list[Answer]]] = {
    "cases": timed.answers,
    "steps": own_steps.answers,
    "roofline": roofline_table.answers,
    "traces": traces.answers,
    "warnings": run_warnings.answers,
}


def pictures(run: Run) -> "Iterator[Picture]":
    """Yields the pictures of all questions that the run has measured, in the lab's order."""
    for question in QUESTIONS:
        yield from question.pictures(run)


def draw_run(run: Run, folder: Path) -> list[Path]:
    """Draws all pictures of a run and returns their files.

    Args:
        run: the saved run.
        folder: where the pictures go, as PNG; created if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for picture in pictures(run):
        path = folder / f"{picture.name}.png"
        picture.figure.savefig(path, dpi=150)
        drawn.append(path)
    return drawn
