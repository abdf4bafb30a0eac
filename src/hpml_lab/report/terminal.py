"""Answers as plain text for a terminal."""

import io

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hpml_lab.labs.answer import Answer
from hpml_lab.text import printable

_WIDTH = 110


def render(answers: list[Answer]) -> str:
    """Returns the answers as text without control characters."""
    console = new_console(_WIDTH)
    for answer in answers:
        heading = f"{answer.item}  {answer.title}" if answer.item else answer.title
        console.print()
        console.print(plain(heading))
        console.print(plain(f"({answer.setting})"))
        console.print(_table(answer))
        for sentence in answer.sentences:
            console.print(plain(sentence))
    console.print()
    return text_of(console)


def new_console(width: int) -> Console:
    """Returns a console that prints into memory, without colours."""
    return Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)


def text_of(console: Console) -> str:
    """Returns the text printed on a `new_console`, without spaces at line ends."""
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _table(answer: Answer) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index, column in enumerate(answer.columns):
        right = is_number_column(answer, index)
        table.add_column(plain(column), justify="right" if right else "left")
    for row in answer.rows:
        table.add_row(*map(plain, row))
    return table


def is_number_column(answer: Answer, index: int) -> bool:
    """Whether a column is right-aligned: all its cells are numbers, and it is not the first."""
    cells = [row[index] for row in answer.rows]
    return index > 0 and all(cell[:1].isdigit() or cell == "-" for cell in cells)


def plain(text: str) -> Text:
    """Returns text without markup or control characters."""
    return Text(printable(text))
