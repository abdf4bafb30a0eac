"""Lines that GitHub Actions takes for commands: annotations, and text that must not be one.

Their syntax is that of actions/toolkit, packages/core/src/command.ts: ``::name key=value::data``.
"""

import secrets
from collections.abc import Iterable, Mapping

from hpml_lab.verdict.comparison import Refusal

_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}
_TITLE = "Performance gate"
MOST = 10  # GitHub shows as many errors of a step; the last one says how many more there are

Place = tuple[str, int]  # a file as the repository names it, and a line counted from 1


def annotations(refusals: Iterable[Refusal], places: Mapping[str, Place]) -> list[str]:
    """Returns a line for each reason to fail.

    Args:
        refusals: the reasons.
        places: of cases, where known.
    """
    lines = [
        annotation("error", str(refusal), places.get(refusal.fullname)) for refusal in refusals
    ]
    if len(lines) <= MOST:
        return lines
    more = annotation("error", f"{len(lines) - MOST + 1} more; see the table in the log")
    return [*lines[: MOST - 1], more]


def annotation(level: str, message: str, place: Place | None = None) -> str:
    """Returns the command that shows a message: one line, whatever is in it.

    Args:
        level: ``error``, ``warning`` or ``notice``.
        message: any text.
        place: where it is shown.
    """
    properties = {"title": _TITLE}
    if place is not None:
        properties |= {"file": place[0], "line": str(place[1])}
    told = ",".join(f"{name}={_escaped(value, _PROPERTY)}" for name, value in properties.items())
    return f"::{level} {told}::{_escaped(_printable(message), _DATA)}"


def inert(text: str) -> str:
    """Returns text between lines that switch all commands off and on again."""
    token = secrets.token_hex(16)  # nobody who chose a name in the text can know it
    return f"::stop-commands::{token}\n{text.rstrip()}\n::{token}::\n"


def _escaped(text: str, table: Mapping[str, str]) -> str:
    return "".join(table.get(character, character) for character in text)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\r\n" else "?" for c in text)
