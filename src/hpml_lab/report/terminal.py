"""Answers as plain text for a terminal."""

import io
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hpml_lab.labs.answer import Answer
from hpml_lab.report.summary import Line, Summary
from hpml_lab.text import printable, wrapped

_WIDTH = 100
_MOST_LINES = 40  # of a summary
_SURE, _UNSURE = "sure", "not sure"
_NARROWEST, _GAP = 20, 3  # characters of the column that is broken, and between two columns


def render(answers: list[Answer]) -> str:
    """Returns the answers as text without control characters."""
    console = new_console(_WIDTH)
    for answer in answers:
        heading = f"{answer.item}  {answer.title}" if answer.item else answer.title
        console.print()
        console.print(plain(heading))
        console.print(plain(f"({answer.setting})"))
        right = [is_number_column(answer, index) for index in range(len(answer.columns))]
        console.print(table(answer.columns, answer.rows, _WIDTH, right))
        for sentence in answer.sentences:
            console.print(plain(sentence))
    console.print()
    return text_of(console)


def render_summary(summary: Summary, more: list[str]) -> str:
    """Returns a summary as text without control characters, at most 40 lines of 100 columns.

    Args:
        summary: the summary.
        more: sentences at its end, such as where the run was saved.
    """
    ends = [*(f"Warning: {text}" for text in summary.warnings), *more]
    settle = [f"To settle {text}" for text in summary.settle]
    for shown in range(len(summary.lines), -1, -1):
        left = len(summary.lines) - shown
        rest = [f"{left} more answers: --all"] if left else []
        text = _screen(summary, shown, [*rest, *settle, *ends])
        if text.count("\n") <= _MOST_LINES:
            break
    return text


def _screen(summary: Summary, shown: int, ends: list[str]) -> str:
    console = new_console(_WIDTH)
    console.print(plain("; ".join(summary.machine)))
    if summary.lines:
        console.print(_lines(summary.lines[:shown], summary.since))
    for sentence in ends:
        console.print(plain(sentence), soft_wrap=True)  # a path is copied whole
    return text_of(console)


def _lines(lines: list[Line], since: str) -> Table:
    columns = ["question", "answer", "how sure"] + ([f"since {since}"] if since else [])
    rows = []
    for line in lines:
        question = f"{line.item}  {line.question}" if line.item else line.question
        sure = _SURE if line.brief.is_sure else _UNSURE
        rows.append([question, line.brief.text, sure, line.change or "-"][: len(columns)])
    return table(columns, rows, _WIDTH, [False] * len(columns))


def new_console(width: int) -> Console:
    """Returns a console that prints into memory, without colours."""
    return Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)


def text_of(console: Console) -> str:
    """Returns the text printed on a `new_console`, without spaces at line ends."""
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    right: Sequence[bool] | None = None,
) -> Table:
    """Returns a table that is no wider than asked where its widest column can be broken.

    Args:
        columns: headings.
        rows: cells, as many as columns.
        width: characters of a line.
        right: whether a column is right-aligned; by default all but the first are.
    """
    cells = [[printable(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    widest = widths.index(max(widths))
    room = max(_NARROWEST, width - sum(widths) + widths[widest] - _GAP * (len(widths) - 1))
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index, column in enumerate(cells[0]):
        is_right = right[index] if right else index > 0
        drawn.add_column(Text(column), justify="right" if is_right else "left", overflow="fold")
    for row in cells[1:]:
        row[widest] = "\n".join(wrapped(row[widest], room))
        drawn.add_row(*map(Text, row))
    return drawn


def is_number_column(answer: Answer, index: int) -> bool:
    """Whether a column is right-aligned: all its cells are numbers, and it is not the first."""
    cells = [row[index] for row in answer.rows]
    return index > 0 and all(cell[:1].isdigit() or cell == "-" for cell in cells)


def plain(text: str) -> Text:
    """Returns text without markup or control characters."""
    return Text(printable(text))
