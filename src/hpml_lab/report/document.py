"""A report without a format: cards, then sections of sentences, pictures and folded tables."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from hpml_lab.comparison.across import across
from hpml_lab.comparison.compare import compare
from hpml_lab.comparison.roofline_points import has_work, place
from hpml_lab.comparison.sides import Subject
from hpml_lab.labs import tune
from hpml_lab.labs.answer import Answer, records_fit
from hpml_lab.labs.picture import Picture, figure_style
from hpml_lab.labs.published_machines import published_machines
from hpml_lab.labs.question import Question
from hpml_lab.labs.questions import CONTRASTS, QUESTIONS
from hpml_lab.report import across as across_tables
from hpml_lab.report import (
    comparison,
    machine,
    own_steps,
    roofline_table,
    run_warnings,
    timed,
    traces,
)
from hpml_lab.report.summary import Summary, summary
from hpml_lab.runs.schema import Run
from hpml_lab.units import percent

_MOST_PICTURES = 60
_MOST_ROWS = 200  # of a comparison's table


@dataclass(frozen=True)
class Section:
    """What belongs together.

    Attributes:
        title: the heading.
        answers: sentences with tables, which are folded away.
        pictures: beside them.
        notes: how it was measured, and what bounds it.
        alarming: whether it is a warning that a reader must not miss.
        name: name of the section in a link; unique in its document.
    """

    title: str
    answers: list[Answer]
    pictures: list[Picture] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    alarming: bool = False
    name: str = ""


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes:
        title: the heading.
        lead: sentences about the runs.
        summaries: the summary of each run, by its name.
        sections: all else.
    """

    title: str
    lead: list[str]
    summaries: dict[str, Summary]
    sections: list[Section]


def document(
    subjects: Sequence[Subject],
    previous: tuple[str, Run] | None = None,
    history: Sequence[str] = (),
) -> Document:
    """Returns the report on saved runs; comparisons between several of them come first.

    Args:
        subjects: one run or more, under distinct names.
        previous: name and run to tell changes of the first one from.
        history: sentences on the history of the first one's machine.

    Raises:
        RunFileError: if the records of a run cannot be those of a measurement.
    """
    sections = [*_comparisons(subjects)]
    for number, subject in enumerate(subjects):
        prefix = f"{subject.name}: " if len(subjects) > 1 else ""
        sections += [*_sections(subject, prefix, f"r{number}-")]
    if history:
        table = Answer("", "", "", [], [], list(history))
        sections.append(Section("History of this machine", [table], name="history"))
    summaries = {
        subject.name: summary(subject.run, previous if number == 0 else None)
        for number, subject in enumerate(subjects)
    }
    lead = [_lead(subject) for subject in subjects]
    return Document("Performance of deep-learning training", lead, summaries, sections)


def _comparisons(subjects: Sequence[Subject]) -> Iterator[Section]:
    """Yields comparisons of the first run: with each other run of its machine, across machines."""
    first, *others = subjects
    own = [other for other in others if _machine_of(other) == _machine_of(first)]
    with records_fit():
        for number, other in enumerate(own):
            tables = comparison.answers(compare([first.run], [other.run]), _MOST_ROWS)
            title = f"{first.name} against {other.name}"
            yield Section(title, tables, name=f"against-{number}")
        if foreign := [other for other in others if other not in own]:
            tables = across_tables.answers(across([first, *foreign], CONTRASTS))
            yield Section("Machines compared", tables, name="machines")


def _machine_of(subject: Subject) -> str | None:
    record = subject.run.machine_info.hpml
    return record.id if record else None


def _lead(subject: Subject) -> str:
    run = subject.run
    cases = [benchmark.measurement for benchmark in run.benchmarks]
    most = max((len(case.processes) for case in cases if case), default=1)
    processes = "one process" if most == 1 else f"up to {most} processes"
    count = len(run.benchmarks)
    if not count:
        return f"{subject.name}: no benchmark is in this run, saved {run.datetime[:16]}."
    return f"{subject.name}: {count} cases in {processes}, saved {run.datetime[:16]}."


def _sections(subject: Subject, prefix: str, name: str) -> Iterator[Section]:
    run = subject.run
    record = run.machine_info.hpml
    with records_fit():
        ends = [
            Section("Roofline", roofline_table.answers(run), name="roofline"),
            Section("Traces", traces.answers(run), name="traces"),
            Section("The machine", machine.answers(record) if record else [], name="machine"),
            Section("All cases", timed.answers(run), name="cases"),
        ]
        warned = [
            replace(table, sentences=summary(run).warnings) for table in run_warnings.answers(run)
        ]
        warnings = Section("Warnings", warned, alarming=True, name="warnings")
        steps = Section("Your steps", own_steps.answers(run), name="steps")
        asked = [_question(question, subject) for question in QUESTIONS]
    questions = list(zip(QUESTIONS, asked, strict=True))
    missing = [question for question, section in questions if not section]
    shown = [warnings, steps, *filter(None, asked)]
    if any(section and question is not tune.QUESTION for question, section in questions):
        shown.append(_unmeasured(missing))
    for section in [*shown, *ends]:
        if section.answers:
            yield Section(
                f"{prefix}{section.title}",
                section.answers,
                section.pictures,
                section.notes,
                section.alarming,
                f"{name}{section.name}",
            )


def _question(question: Question, subject: Subject) -> Section | None:
    """Returns the section of a question; None if the run has not measured it."""
    run = subject.run
    answers = question.answers(run)
    if not answers:
        return None
    with figure_style():
        pictures = list(itertools.islice(question.pictures(run), _MOST_PICTURES))
    items = f"{', '.join(question.items)}: " if question.items else ""
    return Section(
        f"{items}{question.title}",
        [*answers, *_published(question, subject)],
        pictures,
        [*_notes(question, run)],
        name=question.folder,
    )


def _published(question: Question, subject: Subject) -> list[Answer]:
    """Returns what the machines of the write-ups measured, as ratios beside this run's."""
    if question.published is None or not question.contrasts:
        return []
    others = [Subject(other.name, other.run, other.caveats) for other in published_machines()]
    tables = across_tables.answers(across([subject, *others], question.contrasts))
    return [table for table in tables if table.title in {c.title for c in question.contrasts}]


def _notes(question: Question, run: Run) -> Iterator[str]:
    cases = [b.measurement for b in run.benchmarks if b.group == question.group and b.measurement]
    processes = max((len(case.processes) for case in cases), default=1)
    is_tuning = any("tuned" in case.case for case in cases)  # by the command or by the test
    by = "hpml-lab tune" if is_tuning else f"pytest {question.test}"
    yield (
        f"Measured by {by}: {len(cases)} {'case' if len(cases) == 1 else 'cases'}"
        f" in {processes} {'process' if processes == 1 else 'processes'}."
    )
    ceilings = run.machine_info.hpml.ceilings if run.machine_info.hpml else {}
    places = [place(case, ceilings) for case in cases if has_work(case)]
    shares = [point.fraction for point in places if point.fraction is not None]
    if shares:
        bounds = " and ".join(sorted({point.bound for point in places if point.bound}))
        yield (
            f"{percent(min(shares))} to {percent(max(shares))} of what this machine's arithmetic "
            f"and memory bandwidth allow ({bounds})."
        )


def _unmeasured(questions: Sequence[Question]) -> Section:
    rows = [
        [question.title, f"pytest {question.test} --benchmark-save=NAME"] for question in questions
    ]
    tables = [Answer("", "", "", ["question", "measure it with"], rows)] if rows else []
    return Section("Not in this run", tables, name="unmeasured")
