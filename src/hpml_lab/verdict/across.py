"""Runs of different machines beside the first one: what can be compared, and what it says.

Ratios within a machine, exact counters and shares of the roofline are compared; seconds are not.
Two ratios are judged only where both come from two processes or more, of cases with equal settings:
by Welch's t on the processes' log ratios, each at alpha over the number of ratios judged
(Bonferroni), so that a table of equal machines says `differ` anywhere with that chance at most.
"""

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from hpml_lab.errors import InputError
from hpml_lab.history.cases import typical_s
from hpml_lab.history.run import Run
from hpml_lab.measure.record import Measurement, Value
from hpml_lab.theory.roofline import Position
from hpml_lab.verdict.intervals import FEWEST_PROCESSES
from hpml_lab.verdict.ratios import QUESTIONS, Question, Ratio, ratios
from hpml_lab.verdict.roofline import has_work, place
from hpml_lab.verdict.student import t_quantile

ALPHA = 0.01  # chance of any false `differ` in all tables
ALIKE = 0.10  # ratios within this of each other agree
# What belongs to a machine, and what the pixels are: they say nothing of time or memory.
_MAY_DIFFER = ("device", "pin_memory", "source")

Word = Literal["agree", "differ", "cannot tell", "not comparable", ""]


@dataclass(frozen=True)
class Subject:
    """A run under the name of its machine, with what holds for all of its numbers."""

    name: str
    run: Run
    caveats: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Beside:
    """A machine's ratio beside the first machine's; no word where there is nothing to judge."""

    machine: str
    ratio: Ratio
    word: Word = ""
    why: str = ""


@dataclass(frozen=True)
class Table:
    """All machines' ratios for a question."""

    question: Question
    rows: list[Beside]


@dataclass(frozen=True)
class Counted:
    """Exact counters of a group of cases, beside the first machine's.

    Attributes:
        machine: the other machine.
        group: the cases' group.
        equal: counters of the same name and the same value in cases with equal settings.
        unequal: the others, as ``case: counter 1 != 2``.
        not_comparable: settings that differ, where no case has equal ones.
    """

    machine: str
    group: str
    equal: int
    unequal: list[str]
    not_comparable: list[str]


@dataclass(frozen=True)
class Placed:
    """A case under the roofline of its own machine."""

    machine: str
    case: str
    samples_per_s: float
    position: Position


@dataclass(frozen=True)
class Across:
    """What runs of different machines say together."""

    subjects: list[Subject]
    tables: list[Table]
    counted: list[Counted]
    placed: list[Placed]
    alpha: float


def across(subjects: Sequence[Subject], alpha: float = ALPHA) -> Across:
    """Returns the runs beside the first of them.

    Args:
        subjects: at least one; questions that the first has no answer to are left out.
        alpha: the chance of any false `differ` in all tables, in (0, 1).

    Raises:
        InputError: for an alpha that is no such chance.
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha {alpha} is not between 0 and 1")
    first, *others = subjects
    tables = [table for question in QUESTIONS if (table := _table(question, first, others))]
    return Across(
        list(subjects),
        _judged(tables, alpha),
        [row for other in others for row in _counted(first, other)],
        [row for subject in subjects for row in _placed(subject)],
        alpha,
    )


def differing(one: Mapping[str, Value], other: Mapping[str, Value]) -> list[str]:
    """Returns the settings known of both that differ; those that do not matter are left out."""
    return [
        name
        for name, value in one.items()
        if name in other and name not in _MAY_DIFFER and other[name] != value
    ]


def _table(question: Question, first: Subject, others: Iterable[Subject]) -> Table | None:
    own = ratios(first.run, question)
    rows = [Beside(first.name, ratio) for ratio in own]
    for other in others:
        rows += [_beside(other.name, ratio, own) for ratio in ratios(other.run, question)]
    return Table(question, rows) if own else None


def _beside(machine: str, ratio: Ratio, own: Iterable[Ratio]) -> Beside:
    """Returns a ratio with why it cannot be judged; without a word where it can."""
    same = [each for each in own if (each.of, each.reading) == (ratio.of, ratio.reading)]
    if not same:
        return Beside(machine, ratio)
    settings = _nearest(ratio, same).settings
    if other := differing(settings, ratio.settings):
        return Beside(machine, ratio, "not comparable", f"other {', '.join(other)}")
    return Beside(machine, ratio)


def _nearest(ratio: Ratio, own: Iterable[Ratio]) -> Ratio:
    return min(own, key=lambda each: len(differing(each.settings, ratio.settings)))


def _judged(tables: list[Table], alpha: float) -> list[Table]:
    pairs = [pair for table in tables for pair in _pairs(table)]
    confidence = 1 - alpha / max(1, len(pairs))
    words = {id(row): judge(own.logs, row.ratio.logs, confidence) for own, row in pairs}
    return [
        replace(table, rows=[_worded(row, words.get(id(row))) for row in table.rows])
        for table in tables
    ]


def _worded(row: Beside, word: Word | None) -> Beside:
    return row if word is None else replace(row, word=word)


def _pairs(table: Table) -> Iterator[tuple[Ratio, Beside]]:
    machine = table.rows[0].machine
    own = [row.ratio for row in table.rows if row.machine == machine]
    for row in table.rows:
        same = [r for r in own if r.of == row.ratio.of and len(r.logs) >= FEWEST_PROCESSES]
        enough = len(row.ratio.logs) >= FEWEST_PROCESSES
        if row.machine != machine and same and enough and not row.word:
            yield _nearest(row.ratio, same), row


def judge(own: Sequence[float], other: Sequence[float], confidence: float) -> Word:
    """Returns whether two machines have the same ratio.

    Args:
        own: log ratios of the first machine's processes, two or more.
        other: those of the other's.
        confidence: of the interval of their difference, in (0, 1).

    Returns:
        ``agree`` if the interval lies within `ALIKE`, else ``differ`` if it leaves out 0.
    """
    gap = abs(statistics.fmean(own) - statistics.fmean(other))
    reach = _reach(own, other, confidence)
    if gap + reach <= math.log1p(ALIKE):
        return "agree"
    return "differ" if gap > reach else "cannot tell"


def _reach(own: Sequence[float], other: Sequence[float], confidence: float) -> float:
    """Returns half the width of Welch's interval (B. L. Welch, Biometrika 34, 1947)."""
    parts = [(statistics.variance(each) / len(each), len(each) - 1) for each in (own, other)]
    squared = sum(part for part, _ in parts)
    if squared == 0:
        return 0.0
    freedom = squared**2 / sum(part**2 / count for part, count in parts)
    return t_quantile(0.5 + confidence / 2, freedom) * math.sqrt(squared)


def _counted(first: Subject, other: Subject) -> Iterator[Counted]:
    theirs = _with_counters(other.run)
    for group, own in _with_counters(first.run).items():
        if group not in theirs:
            continue
        equal, unequal, reasons = 0, list[str](), dict[str, None]()
        for name, case in own:
            _, best = min(theirs[group], key=lambda named: len(_unlike(case, named[1])))
            shared = [key for key in case.counters if key in best.counters]
            if unlike := _unlike(case, best):
                reasons |= dict.fromkeys(unlike)
                continue
            wrong = [key for key in shared if case.counters[key] != best.counters[key]]
            equal += len(shared) - len(wrong)
            unequal += [f"{name}: {k} {case.counters[k]} != {best.counters[k]}" for k in wrong]
        yield Counted(other.name, group, equal, unequal, list(reasons) if not equal else [])


def _unlike(one: Measurement, other: Measurement) -> list[str]:
    return differing(one.case, other.case)


def _with_counters(run: Run) -> dict[str, list[tuple[str, Measurement]]]:
    found: dict[str, list[tuple[str, Measurement]]] = {}
    for benchmark in run.benchmarks:
        case = benchmark.measurement
        if case is not None and case.counters and benchmark.group:
            found.setdefault(benchmark.group, []).append((benchmark.name, case))
    return found


def _placed(subject: Subject) -> Iterator[Placed]:
    machine = subject.run.machine_info.hpml
    for benchmark in subject.run.benchmarks:
        case = benchmark.measurement
        if case is not None and has_work(case):
            position = place(case, machine.ceilings if machine else {})
            rate = (case.samples or 0) / typical_s(case)
            yield Placed(subject.name, benchmark.name, rate, position)


def subjects(runs: Sequence[tuple[str, Run]]) -> list[Subject]:
    """Returns runs under the names of their machines, or of their files where machines are alike.

    Args:
        runs: by the name of the file, which is a stock run's name too.
    """
    names = [run.machine_info.hpml.id if run.machine_info.hpml else file for file, run in runs]
    return [
        Subject(name if names.count(name) == 1 else file, run)
        for name, (file, run) in zip(names, runs, strict=True)
    ]
