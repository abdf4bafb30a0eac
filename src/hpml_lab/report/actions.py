"""Workflow commands of GitHub Actions: annotations, and text in which none may be read.

Their syntax is that of actions/toolkit, packages/core/src/command.ts: ``::name key=value::data``.
"""

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from hpml_lab.comparison.verdicts import Comparison, Refusal
from hpml_lab.report.markdown import render
from hpml_lab.text import printable

_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}
_TITLE = "Performance gate"
MOST = 10  # errors of a step that GitHub shows; the last one says how many more there are

Place = tuple[str, int]  # a file as the repository names it, and a line counted from 1


def annotations(refusals: Iterable[Refusal], places: Mapping[str, Place]) -> list[str]:
    """Returns one error annotation for each reason to fail.

    Args:
        refusals: the reasons.
        places: file and line of each case, where known.
    """
    lines = [
        annotation("error", str(refusal), places.get(refusal.fullname)) for refusal in refusals
    ]
    if len(lines) <= MOST:
        return lines
    more = annotation("error", f"{len(lines) - MOST + 1} more; see the table in the log")
    return [*lines[: MOST - 1], more]


def annotation(level: str, message: str, place: Place | None = None) -> str:
    """Returns the command that shows a message, escaped into one line.

    Args:
        level: ``error``, ``warning`` or ``notice``.
        message: any text.
        place: file and line that it is shown at.
    """
    properties = {"title": _TITLE}
    if place is not None:
        properties |= {"file": place[0], "line": str(place[1])}
    encoded = ",".join(f"{name}={_escaped(value, _PROPERTY)}" for name, value in properties.items())
    text = printable(message, keep="\r\n")
    return f"::{level} {encoded}::{_escaped(text, _DATA)}"


def inert(text: str) -> str:
    """Returns text between lines that switch all commands off and on again."""
    token = secrets.token_hex(16)  # nobody who chose a name in the text can know it
    return f"::stop-commands::{token}\n{text.rstrip()}\n::{token}::\n"


def _escaped(text: str, table: Mapping[str, str]) -> str:
    return "".join(table.get(character, character) for character in text)


def in_actions() -> bool:
    """Whether this is a job of GitHub Actions, which looks for commands in our output."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def without_commands(text: str) -> str:
    """Returns text of which a job of GitHub Actions reads no line as a command."""
    return inert(text) if in_actions() else text


def show(
    comparison: Comparison,
    write_line: Callable[[str], object],
    places: Mapping[str, Place] | None = None,
) -> None:
    """Appends the comparison to the job's summary and writes its annotations, where there is a job.

    Args:
        comparison: the comparison to show.
        write_line: writes a line to standard output.
        places: file and line of each case, where known.
    """
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(render(comparison) + "\n")
        except OSError as error:
            write_line(f"No job summary: it cannot be written: {error.strerror}")
    if in_actions():
        for line in annotations(comparison.refusals, places or {}):
            write_line(line)
