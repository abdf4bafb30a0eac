"""A comparison as text, its outcome and changes first, and as a record."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from hpml_lab.comparison.verdicts import Comparison, CounterVerdict, Status, Verdict, counted
from hpml_lab.labs.answer import Answer
from hpml_lab.report.terminal import new_console, plain, table, text_of
from hpml_lab.text import told_apart
from hpml_lab.units import percent

_ORDER: tuple[Status, ...] = (
    "regressed", "missing", "not comparable", "improved", "inconclusive", "new",
)  # fmt: skip
_WIDTH = 100
_MOST_CHANGES, _MOST_OTHERS = 50, 5  # rows of a group that text shows
_NONE = "-"
_LEGEND = (
    "Interval: of the change, for all cases at once. Detectable: the slowdown that would have been "
    "told in 90 of 100 such comparisons. Processes: baseline : new. More: processes a side that "
    "would settle it."
)
_COLUMNS = ("case", "change", "interval", "detectable", "processes", "more")


@dataclass(frozen=True)
class Group:
    """Verdicts that have status and reason in common, the largest changes first.

    Attributes:
        status: their status.
        reason: their reason; empty where each has its own numbers.
        verdicts: one or more.
    """

    status: Status
    reason: str
    verdicts: list[Verdict]

    @property
    def is_change(self) -> bool:
        """Whether each of them is a change that was told."""
        return self.status in ("regressed", "improved")

    @property
    def title(self) -> str:
        """Status, number of cases, and their reason."""
        count = f"{self.status.capitalize()}: {_cases(len(self.verdicts))}"
        return f"{count}; {self.reason}" if self.reason else count


def record(comparison: Comparison) -> dict[str, Any]:
    """Returns the comparison as a JSON record."""
    failures = list(map(str, comparison.refusals))
    return asdict(comparison) | {"failures": failures, "exit": comparison.exit}


def render(comparison: Comparison) -> str:
    """Returns the comparison as text without control characters."""
    console = new_console(_WIDTH)
    for line in (comparison.outcome, *summary(comparison)):
        console.print(plain(line))
    names = names_of(comparison)
    for group in groups(comparison):
        console.print()
        console.print(plain(group.title))
        shown = rows(group, names, _MOST_CHANGES if group.is_change else _MOST_OTHERS)
        console.print(table(shown.columns, shown.cells, _WIDTH))
        for line in shown.sentences:
            console.print(plain(line))
    changed = changed_counters(comparison)
    if changed:
        console.print()
        console.print(plain(f"Counters changed: {len(changed)}"))
    for counter in changed[:_MOST_CHANGES]:
        console.print(plain(f"{names[counter.fullname]}: {counted(counter)}"))
    if len(changed) > _MOST_CHANGES:
        console.print(plain(f"and {len(changed) - _MOST_CHANGES:,} more; all: --json"))
    if any(verdict.interval for verdict in comparison.verdicts if verdict.verdict in _ORDER):
        console.print()
        console.print(plain(_LEGEND))
    return text_of(console)


def groups(comparison: Comparison) -> list[Group]:
    """Returns the verdicts in groups, those that fail first; unchanged cases are in none."""
    by_reason: dict[tuple[int, str], list[Verdict]] = {}
    for verdict in comparison.verdicts:
        if verdict.verdict in _ORDER:
            key = _ORDER.index(verdict.verdict), _shared_reason(verdict)
            by_reason.setdefault(key, []).append(verdict)
    return [
        Group(_ORDER[place], reason, sorted(verdicts, key=lambda verdict: -_size(verdict)))
        for (place, reason), verdicts in sorted(by_reason.items(), key=lambda item: item[0][0])
    ]


def names_of(comparison: Comparison) -> dict[str, str]:
    """Returns the names that tell all cases apart, likely new and old ones among them."""
    verdicts = comparison.verdicts
    return told_apart(
        [
            *(verdict.fullname for verdict in verdicts),
            *(verdict.renamed for verdict in verdicts if verdict.renamed),
            *(counter.fullname for counter in comparison.counters),
        ]
    )


def changed_counters(comparison: Comparison) -> list[CounterVerdict]:
    """Returns the counters that are not equal."""
    return [counter for counter in comparison.counters if counter.verdict != "unchanged"]


def summary(comparison: Comparison) -> Iterator[str]:
    """Yields the sentences about the whole comparison: counts and notes."""
    words = [verdict.verdict for verdict in comparison.verdicts]
    counts = [f"{words.count(word)} {word}" for word in dict.fromkeys(words)]
    yield (
        f"{_cases(len(words))}: {', '.join(counts) or 'none'}. The chance of any false alarm is at "
        f"most {percent(comparison.alpha)}; changes within {percent(comparison.margin)} are none."
    )
    for note in comparison.notes:
        yield f"Note: {note}."


@dataclass(frozen=True)
class Rows:
    """The first verdicts of a group as a table, without columns that are empty in it.

    Attributes:
        columns: headings.
        cells: the rows.
        sentences: warnings about them, and how many verdicts are left out.
    """

    columns: list[str]
    cells: list[list[str]]
    sentences: list[str]


def rows(group: Group, names: dict[str, str], most: int) -> Rows:
    """Returns the first rows of a group.

    Args:
        group: the group.
        names: names of the cases, see `names_of`.
        most: largest number of rows.
    """
    cells = [_cells(verdict, names) for verdict in group.verdicts[:most]]
    kept = [i for i in range(len(_COLUMNS)) if any(row[i] != _NONE for row in cells)]
    left = len(group.verdicts) - most
    warnings = [
        f"{names[verdict.fullname]}: {'; '.join(verdict.warnings)}"
        for verdict in group.verdicts[:most]
        if verdict.warnings
    ]
    return Rows(
        [_COLUMNS[i] for i in kept],
        [[row[i] for i in kept] for row in cells],
        warnings + ([f"and {left:,} more; all: --json"] if left > 0 else []),
    )


def _cells(verdict: Verdict, names: dict[str, str]) -> list[str]:
    low, high = verdict.interval or (None, None)
    between = f"{_change(low)} .. {_change(high)}" if verdict.interval else _NONE
    base, new = verdict.processes
    additional = _NONE if verdict.additional is None else f"+{verdict.additional}"
    return [
        _name(verdict, names),
        _change(verdict.ratio),
        between,
        _change(verdict.detectable),
        f"{base} : {new}",
        additional,
    ]


def _name(verdict: Verdict, names: dict[str, str]) -> str:
    name = names[verdict.fullname]
    if verdict.renamed is None:
        return name
    now = "now" if verdict.verdict == "missing" else "before"
    return f"{name} ({now} {names[verdict.renamed]}?)"


def _shared_reason(verdict: Verdict) -> str:
    """Returns the reason without what is the case's own: its numbers, its likely other name."""
    if verdict.interval is not None:
        return ""
    return verdict.reason.partition(";")[0] if verdict.renamed else verdict.reason


def _cases(count: int) -> str:
    return f"{count:,} {'case' if count == 1 else 'cases'}"


def _change(ratio: float | None) -> str:
    return _NONE if ratio is None else f"{100 * (ratio - 1):+.1f} %"


def _size(verdict: Verdict) -> float:
    return abs((verdict.ratio or 1.0) - 1)


def answers(comparison: Comparison, most: int) -> list[Answer]:
    """Returns the tables, what fails first; sentences of the last one count all cases.

    Args:
        comparison: the comparison.
        most: largest number of rows of a table.
    """
    names = names_of(comparison)
    tables = []
    for group in groups(comparison):
        shown = rows(group, names, most)
        setting = "time of the second run over that of the first"
        tables.append(Answer("", group.title, setting, shown.columns, shown.cells, shown.sentences))
    changed = changed_counters(comparison)
    counters = Answer(
        "",
        "Counters changed",
        "exact; any rise is a regression",
        ["case", "counter"],
        [[names[c.fullname], counted(c)] for c in changed[:most]] or [["none", "-"]],
        [comparison.outcome, *summary(comparison)],
    )
    return [*tables, counters]
