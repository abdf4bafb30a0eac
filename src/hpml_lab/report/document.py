"""A report without a format: sections of tables and pictures."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hpml_lab.comparison.across import across
from hpml_lab.comparison.compare import compare
from hpml_lab.comparison.sides import Subject
from hpml_lab.labs.answer import Answer, records_fit
from hpml_lab.labs.picture import Picture
from hpml_lab.labs.questions import CONTRASTS
from hpml_lab.report import across as across_tables
from hpml_lab.report import comparison, machine, run_warnings, timed
from hpml_lab.report.answers import answers, pictures
from hpml_lab.runs.schema import Run

_MOST_PICTURES = 60


@dataclass(frozen=True)
class Section:
    """Answers that belong together, and their pictures.

    Attributes:
        title: the heading.
        answers: tables with sentences.
        pictures: shown after the tables.
        alarming: whether it is a warning that a reader must not miss.
    """

    title: str
    answers: list[Answer]
    pictures: list[Picture] = field(default_factory=list)
    alarming: bool = False


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: str
    lead: list[str]
    sections: list[Section]


def document(subjects: Sequence[Subject]) -> Document:
    """Returns the report on saved runs; comparisons between several of them come first.

    Args:
        subjects: one run or more, under distinct names.

    Raises:
        RunFileError: if the records of a run cannot be those of a measurement.
    """
    sections: list[Section] = []
    sections += [*_comparisons(subjects)]
    for subject in subjects:
        prefix = f"{subject.name}: " if len(subjects) > 1 else ""
        sections += [_prefixed(prefix, section) for section in _sections(subject)]
    return Document("Performance of deep-learning training", [*map(_lead, subjects)], sections)


def _comparisons(subjects: Sequence[Subject]) -> Iterator[Section]:
    """Yields comparisons of the first run: with each other run of its machine, across machines."""
    first, *others = subjects
    own = [other for other in others if _machine_of(other) == _machine_of(first)]
    with records_fit():
        for other in own:
            tables = comparison.answers(compare([first.run], [other.run]))
            yield Section(f"{first.name} against {other.name}", tables)
        if foreign := [other for other in others if other not in own]:
            tables = across_tables.answers(across([first, *foreign], CONTRASTS))
            yield Section("Machines compared", tables)


def _machine_of(subject: Subject) -> str | None:
    record = subject.run.machine_info.hpml
    return record.id if record else None


def _prefixed(prefix: str, section: Section) -> Section:
    return Section(f"{prefix}{section.title}", section.answers, section.pictures, section.alarming)


def _lead(subject: Subject) -> str:
    run = subject.run
    cases = [benchmark.measurement for benchmark in run.benchmarks]
    most = max((len(case.processes) for case in cases if case), default=1)
    processes = "one process" if most == 1 else f"up to {most} processes"
    count = len(run.benchmarks)
    if not count:
        return f"{subject.name}: no benchmark is in this run, saved {run.datetime[:16]}."
    return f"{subject.name}: {count} cases in {processes}, saved {run.datetime[:16]}."


def _sections(subject: Subject) -> list[Section]:
    run = subject.run
    record = run.machine_info.hpml
    return [
        section
        for section in (
            Section("Read this first", run_warnings.answers(run), alarming=True),
            Section("The machine", machine.answers(record) if record else []),
            Section("Answers", answers(run), _pictures(run)),
            Section("All cases", timed.answers(run)),
        )
        if section.answers
    ]


def _pictures(run: Run) -> list[Picture]:
    with records_fit():
        return list(itertools.islice(pictures(run), _MOST_PICTURES))
