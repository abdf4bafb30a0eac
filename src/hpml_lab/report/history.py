"""The runs of a storage as text for a terminal."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich import box
from rich.table import Table

from hpml_lab.report.terminal import new_console, plain, text_of
from hpml_lab.runs.listing import JournalInfo, RunInfo
from hpml_lab.runs.store import MAKE_ONE

_WIDTH = 110
_COLUMNS = ("run", "name", "when", "commit", "cases", "processes", "state")
_COMMIT = 12  # characters that identify a revision


def render(saved: Sequence[RunInfo], waiting: Sequence[JournalInfo]) -> str:
    """Returns the runs by machine, then the journals, as text without control characters."""
    console = new_console(_WIDTH)
    if not saved:
        console.print(f"No saved run; {MAKE_ONE}")
    for machine, rows in groupby(saved, key=lambda run: run.machine):
        console.print(plain(machine))
        console.print(_table(rows))
    for journal in waiting:
        console.print(plain(_line(journal)))
    return text_of(console)


def _table(rows: Iterable[RunInfo]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in _COLUMNS:
        right = column in {"run", "cases", "processes"}
        table.add_column(column, justify="right" if right else "left")
    for row in rows:
        table.add_row(*map(plain, _cells(row)))
    return table


def _cells(row: RunInfo) -> list[str]:
    number = f"{row.number:04d}"
    if row.problem:
        return [number, row.name, "-", "-", "-", "-", f"unreadable: {row.problem}"]
    commit, dirty = row.commit.rstrip("+"), "+" * row.commit.endswith("+")
    state = "complete" if row.missing is None else f"incomplete: {row.missing} missing"
    state += f", {row.failed} failed" * bool(row.failed)
    when = row.when[:19].replace("T", " ")
    counts = [str(row.cases), str(row.processes)]
    return [number, row.name, when or "-", commit[:_COMMIT] + dirty or "-", *counts, state]


def _line(journal: JournalInfo) -> str:
    if journal.problem:
        return f"Journal {journal.file} is of no use: {journal.problem}"
    done = f"{journal.ended} of {journal.due}"
    if journal.alive:
        return f"Running: {journal.name or 'a run'}, {done} done: {journal.file}"
    return (
        f"Unfinished: {journal.name or 'a run'}, {done} done; save it with: "
        f"hpml-lab recover {journal.file}"
    )
