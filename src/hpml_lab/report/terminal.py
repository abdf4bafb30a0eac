"""Answers as plain text for a terminal."""

import io

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hpml_lab.report.answers.answer import Answer

_WIDTH = 110


def render(answers: list[Answer]) -> str:
    """Returns the answers as text; whatever a run file holds, no control character is in it."""
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
    """Returns a console that keeps what is printed, without colours."""
    return Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)


def text_of(console: Console) -> str:
    """Returns what was printed on a `new_console`, without spaces at line ends."""
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
    """Returns whether a column is to stand right: all of it is numbers, and it names no row."""
    cells = [row[index] for row in answer.rows]
    return index > 0 and all(cell[:1].isdigit() or cell == "-" for cell in cells)


def plain(text: str) -> Text:
    """Returns text without markup in which every control character is a question mark."""
    return Text("".join(c if c.isprintable() else "?" for c in text))
