"""A run in one screen: a line for each answer, how sure it is, and what changed since before."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpml_lab.comparison.compare import compare
from hpml_lab.errors import InputError, RunFileError
from hpml_lab.labs.answer import Brief, records_fit
from hpml_lab.labs.questions import QUESTIONS
from hpml_lab.report import own_steps, run_warnings, timed
from hpml_lab.runs.baselines import runs_before
from hpml_lab.runs.reading import read_run
from hpml_lab.runs.schema import Run
from hpml_lab.runs.store import number_of
from hpml_lab.text import told_apart

NO_VERDICT = "cannot tell"
_MOST_LINES = 4  # of one question; more are counted in one


@dataclass(frozen=True)
class Line:
    """One answer of the summary.

    Attributes:
        item: the lab's name of the item; empty if no lab asks for it.
        question: what is asked, in short.
        brief: the answer, and what would settle it.
        change: what a comparison with the previous run says of its cases; empty without one.
    """

    item: str
    question: str
    brief: Brief
    change: str = ""


@dataclass(frozen=True)
class Summary:
    """A saved run in one screen.

    Attributes:
        machine: machine, software, cases and processes, in one sentence each.
        lines: one for each answer: the user's own steps, then the lab's questions in order.
        since: name of the previous run of this machine that changes are told from; empty without.
        warnings: one sentence for each kind of warning.
        settle: what would settle the answers that are not sure, with their items.
    """

    machine: list[str]
    lines: list[Line]
    since: str
    warnings: list[str]
    settle: list[str]


def summary(run: Run, previous: tuple[str, Run] | None = None) -> Summary:
    """Returns the summary of a saved run.

    Args:
        run: the run.
        previous: name and run to tell changes from.

    Raises:
        RunFileError: if the run's records cannot be those of a measurement.
    """
    with records_fit():
        changes = _changes(previous[1], run) if previous else {}
        lines = [*_own(run, changes), *_lab(run, changes)]
        return Summary(
            [*_machine(run)],
            lines,
            previous[0] if previous else "",
            [*_warnings(run)],
            [*_settle(lines)],
        )


def previous_run(path: Path) -> tuple[str, Run] | None:
    """Returns name and contents of the last run before one that has many of its cases.

    Of the run with fewer cases half or more must be in the other one.

    Args:
        path: file of a saved run; one outside a storage has no previous run.
    """
    try:
        number = number_of(path)
    except (InputError, ValueError):
        return None
    names = {benchmark.fullname for benchmark in read_run(path).benchmarks}
    for earlier in reversed(runs_before(path, path.parent, 0)):
        if number_of(earlier) < number:
            try:
                run = read_run(earlier)
            except RunFileError:
                continue
            others = {benchmark.fullname for benchmark in run.benchmarks}
            if 2 * len(names & others) >= min(len(names), len(others)) > 0:
                return earlier.stem, run
    return None


def where(*files: Path) -> list[str]:
    """Returns sentences that say where a run is saved and how to read on; one file or more."""
    shown = [os.path.relpath(path) for path in files]
    shown = [min(pair, key=len) for pair in zip(shown, map(str, files), strict=True)]
    return [
        *(f"Saved: {path}" for path in shown),
        f"Tables: hpml-lab answers {shown[0]} --all",
        f"Page: hpml-lab report {shown[0]} -o report.html",
    ]


def _own(run: Run, changes: Mapping[str, list[str]]) -> Iterator[Line]:
    for benchmark, case, interval in timed.with_intervals(run):
        if own_steps.is_own(case):
            brief = timed.brief(case, interval)
            yield Line("", benchmark.name, brief, _change(changes.get(benchmark.fullname, [])))


def _lab(run: Run, changes: Mapping[str, list[str]]) -> Iterator[Line]:
    for question in QUESTIONS:
        cases = [b.fullname for b in run.benchmarks if b.group == question.group]
        change = _change([verdict for name in cases for verdict in changes.get(name, [])])
        by_heading: dict[tuple[str, str], list[Brief]] = {}
        for answer in question.answers(run):
            if answer.brief is not None:
                by_heading.setdefault((answer.item, answer.title), []).append(answer.brief)
        if len(by_heading) > _MOST_LINES:
            briefs = [brief for alike in by_heading.values() for brief in alike]
            items = f"{question.items[0]} to {question.items[-1]}"
            yield Line(items, question.title, _counted(briefs), change)
        else:
            for (item, title), briefs in by_heading.items():
                short = question.title if len(by_heading) == 1 else title
                yield Line(item, short, _first(briefs), change)


def _counted(briefs: Sequence[Brief]) -> Brief:
    """Returns many answers in one line: how many are sure."""
    sure = sum(brief.is_sure for brief in briefs)
    open_ones = [brief.settle for brief in briefs if not brief.is_sure]
    return Brief(f"{sure} of {len(briefs)} answers are sure", next(iter(open_ones), ""))


def _first(briefs: Sequence[Brief]) -> Brief:
    """Returns the first of several answers to one question under other settings."""
    if len(briefs) == 1:
        return briefs[0]
    settle = next((brief.settle for brief in briefs if not brief.is_sure), "")
    return Brief(f"{briefs[0].text}; {len(briefs) - 1} more", settle)


def _changes(previous: Run, run: Run) -> dict[str, list[str]]:
    """Returns the verdicts on each case: on its time, and on its counters if one changed."""
    comparison = compare([previous], [run])
    changes = {verdict.fullname: [str(verdict.verdict)] for verdict in comparison.verdicts}
    for counter in comparison.counters:
        if counter.verdict in ("regressed", "improved"):
            changes.setdefault(counter.fullname, []).append(str(counter.verdict))
    return changes


def _change(verdicts: list[str]) -> str:
    """Returns what the verdicts on some cases come to: changes that are told, or that none is."""
    told = [f"{n} {word}" for word in ("regressed", "improved") if (n := verdicts.count(word))]
    if told or not verdicts:
        return ", ".join(told)
    if all(verdict == "unchanged" for verdict in verdicts):
        return "unchanged"
    return "new" if all(verdict == "new" for verdict in verdicts) else NO_VERDICT


def _machine(run: Run) -> Iterator[str]:
    record = run.machine_info.hpml
    if record is not None:
        named = record.identity
        gpu = f", {named.gpu_count} x {named.gpu}" if named.gpu else ""
        yield f"{named.cpu}, {named.cpu_count} processors, {named.memory_gib} GiB{gpu}"
        yield f"torch {record.software.get('torch') or 'unknown'}"
    processes = max(
        (len(b.measurement.processes) for b in run.benchmarks if b.measurement), default=1
    )
    count = len(run.benchmarks)
    yield (
        f"{count} {'case' if count == 1 else 'cases'} in {processes} "
        f"{'process' if processes == 1 else 'processes'}"
    )


def _warnings(run: Run) -> Iterator[str]:
    names = told_apart(benchmark.fullname for benchmark in run.benchmarks)
    for answer in run_warnings.answers(run):
        reasons: dict[str, dict[str, str]] = {}
        for what, case, _process, why in answer.rows:
            reasons.setdefault(what, {}).setdefault(case, why)
        for what, by_case in reasons.items():
            first, why = min(by_case.items())
            more = f" (and {len(by_case) - 1} more cases)" if len(by_case) > 1 else ""
            yield f"{what}: {names.get(first, first)}: {why}{more}"


def _settle(lines: list[Line]) -> Iterator[str]:
    """Yields what would settle the open answers, each with the answers that it would settle."""
    by_means: dict[str, list[str]] = {}
    for line in lines:
        if not line.brief.is_sure:
            by_means.setdefault(line.brief.settle, []).append(line.item or line.question)
    for means, names in by_means.items():
        yield f"{', '.join(dict.fromkeys(names))}: {means}"
