"""Ratios within machines, beside those of the first machine.

Two ratios are judged only where both come from two processes or more, of cases with equal settings:
by Welch's t on the processes' log ratios, each at alpha over the number of ratios judged
(Bonferroni), so that a table of equal machines says `differ` anywhere with that chance at most.
"""

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hpml_lab.verdict.comparability import differing
from hpml_lab.verdict.intervals import FEWEST_PROCESSES
from hpml_lab.verdict.ratios import QUESTIONS, Question, Ratio, ratios
from hpml_lab.verdict.student import t_quantile
from hpml_lab.verdict.subjects import Subject

ALIKE = 0.10  # ratios within this of each other agree

Word = Literal["agree", "differ", "cannot tell", "not comparable", ""]


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


def tables(first: Subject, others: Sequence[Subject], alpha: float) -> list[Table]:
    """Returns all questions' tables.

    Args:
        first: questions that it has no answer to are left out.
        others: what stands beside it.
        alpha: the chance of any false `differ` in all tables, in (0, 1).
    """
    return _judged([t for question in QUESTIONS if (t := _table(question, first, others))], alpha)


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
    half_width = _half_width(own, other, confidence)
    if gap + half_width <= math.log1p(ALIKE):
        return "agree"
    return "differ" if gap > half_width else "cannot tell"


def _half_width(own: Sequence[float], other: Sequence[float], confidence: float) -> float:
    """Returns half the width of Welch's interval (B. L. Welch, Biometrika 34, 1947)."""
    parts = [(statistics.variance(each) / len(each), len(each) - 1) for each in (own, other)]
    squared = sum(part for part, _ in parts)
    if squared == 0:
        return 0.0
    dof = squared**2 / sum(part**2 / count for part, count in parts)
    return t_quantile(0.5 + confidence / 2, dof) * math.sqrt(squared)
