"""A comparison as text, changes first, and as a record."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from hpml_lab.comparison.verdicts import Comparison, CounterVerdict, Status, Verdict, counted
from hpml_lab.labs.answer import Answer
from hpml_lab.report.terminal import new_console, plain, text_of
from hpml_lab.text import short
from hpml_lab.units import percent

_WIDTH = 110
_SECTIONS: tuple[tuple[str, tuple[Status, ...]], ...] = (
    ("Changed", ("regressed", "improved")),
    ("Not compared", ("missing", "not comparable")),
    ("Inconclusive", ("inconclusive",)),
    ("New", ("new",)),
)
COLUMNS = ("case", "verdict", "change", "interval", "detectable", "processes", "more")


def record(comparison: Comparison) -> dict[str, Any]:
    """Returns the comparison as a JSON record."""
    failures = list(map(str, comparison.refusals))
    return asdict(comparison) | {"failures": failures, "exit": comparison.exit}


def render(comparison: Comparison) -> str:
    """Returns the comparison as text without control characters."""
    console = new_console(_WIDTH)
    for title, verdicts in sections(comparison):
        console.print()
        console.print(plain(f"{title}: {len(verdicts)}"))
        console.print(_table(verdicts))
        for line in _reasons(verdicts):
            console.print(plain(line))
    changed = changed_counters(comparison)
    if changed:
        console.print()
        console.print(plain(f"Counters changed: {len(changed)}"))
    for counter in changed:
        console.print(plain(f"{short(counter.fullname)}: {counted(counter)}"))
    console.print()
    for line in (*summary(comparison), comparison.outcome):
        console.print(plain(line))
    return text_of(console)


def sections(comparison: Comparison) -> Iterator[tuple[str, list[Verdict]]]:
    """Yields the sections, a title and its verdicts; unchanged cases are in none."""
    for title, words in _SECTIONS:
        chosen = [verdict for verdict in comparison.verdicts if verdict.verdict in words]
        if chosen:
            yield (
                title,
                sorted(chosen, key=lambda case: (words.index(case.verdict), -_size(case))),
            )


def changed_counters(comparison: Comparison) -> list[CounterVerdict]:
    """Returns the counters that are not equal."""
    return [counter for counter in comparison.counters if counter.verdict != "unchanged"]


def summary(comparison: Comparison) -> Iterator[str]:
    """Yields the sentences about the whole comparison: notes and counts."""
    for note in comparison.notes:
        yield f"Note: {note}."
    words = [verdict.verdict for verdict in comparison.verdicts]
    counts = [f"{words.count(word)} {word}" for word in dict.fromkeys(words)]
    yield (
        f"{len(words)} cases: {', '.join(counts) or 'none'}. The chance of any false alarm is at "
        f"most {percent(comparison.alpha)}; changes within {percent(comparison.margin)} are none."
    )


def cells(verdict: Verdict) -> tuple[str, ...]:
    """Returns the cells of a verdict, one for each of `COLUMNS`."""
    low, high = verdict.interval or (None, None)
    between = f"{_change(low)} .. {_change(high)}" if verdict.interval else "-"
    base, new = verdict.processes
    additional = "-" if verdict.additional is None else f"+{verdict.additional}"
    return (
        short(verdict.fullname),
        verdict.verdict,
        _change(verdict.ratio),
        between,
        _change(verdict.detectable),
        f"{base} : {new}",
        additional,
    )


def _reasons(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yields every reason once, with its case or the number of its cases."""
    cases = defaultdict(list)
    for verdict in verdicts:
        cases[verdict.reason].append(verdict.fullname)
    for reason, names in cases.items():
        yield f"{short(names[0]) if len(names) == 1 else f'{len(names)} of these'}: {reason}"


def _table(verdicts: Sequence[Verdict]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in COLUMNS:
        left = column in ("case", "verdict")
        table.add_column(column, justify="left" if left else "right", overflow="fold")
    for row in map(cells, verdicts):
        table.add_row(*map(plain, row))
    return table


def _change(ratio: float | None) -> str:
    return "-" if ratio is None else f"{100 * (ratio - 1):+.1f} %"


def _size(verdict: Verdict) -> float:
    return abs((verdict.ratio or 1.0) - 1)


def answers(comparison: Comparison) -> list[Answer]:
    """Returns the tables, changes first; sentences of the last one count the unchanged cases."""
    tables = [
        Answer(
            "",
            title,
            "time of the second run over that of the first",
            [*COLUMNS, "why"],
            [[*cells(verdict), verdict.reason] for verdict in verdicts],
        )
        for title, verdicts in sections(comparison)
    ]
    rows = [[short(counter.fullname), counted(counter)] for counter in changed_counters(comparison)]
    counters = Answer(
        "",
        "Counters changed",
        "exact; any rise is a regression",
        ["case", "counter"],
        rows or [["none", "-"]],
        [*summary(comparison)],
    )
    return [*tables, counters]
