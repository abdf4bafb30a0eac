"""Escaping of text to and from files, and short forms of names."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

# Punctuation that is no markup: within and between numbers and words, at a sentence's end.
_HARMLESS = (
    r"(?<=[0-9])\.(?=[0-9])|(?<=[A-Za-z)])\.(?= |$)|(?<=[A-Za-z0-9]):(?= )"
    r"|(?<=[A-Za-z0-9])[-_=](?=[A-Za-z0-9])|(?<=[^ ] )[-=+](?= [^ ])"
)
_PUNCTUATION = re.compile(rf"(?!{_HARMLESS})[!-/:-@\[-`{{-~](?<![,;%?()/])")
_LONGEST = 120  # characters of a name that a reader is shown
_DIGEST = 8  # characters of the hash of a longer one


def short(name: str) -> str:
    """Returns a name as people are shown it: of a very long one, both ends and its hash.

    Two long names that differ between their ends have other hashes.
    """
    if len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:_DIGEST]
    half = (_LONGEST - _DIGEST) // 2 - 3
    return f"{name[:half]}...{digest}...{name[-half:]}"


def told_apart(nodeids: Iterable[str]) -> dict[str, str]:
    """Returns for each test id the shortest end that no other one has, as people are shown it.

    The test with its parameters; where two modules have one, its classes too, then its file, then
    all of it.
    """
    known: dict[str, str] = {}
    left = list(dict.fromkeys(nodeids))
    for end in (_test, _in_class, _in_file, str):
        ends = [short(end(nodeid)) for nodeid in left]
        counts = Counter([*ends, *known.values()])
        known |= {n: e for n, e in zip(left, ends, strict=True) if counts[e] == 1 or end is str}
        left = [nodeid for nodeid in left if nodeid not in known]
    return known


def _test(nodeid: str) -> str:
    return _split(nodeid)[-1]


def _in_class(nodeid: str) -> str:
    parts = _split(nodeid)
    return "::".join(parts[1:] or parts)


def _in_file(nodeid: str) -> str:
    path, *others = _split(nodeid)
    return "::".join([path.rpartition("/")[2], *others])


def _split(nodeid: str) -> list[str]:
    """Returns file, classes and test of a test id; parameters may hold any text."""
    named, bracket, parameters = nodeid.partition("[")
    *outer, test = named.split("::")
    return [*outer, f"{test}{bracket}{parameters}"]


def wrapped(name: str, width: int) -> list[str]:
    """Returns a name in lines of a width, broken after punctuation and spaces, not inside a word.

    A word that is longer than a line is broken all the same.
    """
    lines = [""]
    for word in re.findall(r"[(\[{]*(?:\d+(?:[.,]\d+)+|[^\W_]+)(?:[^\w(\[{]|_)*|.", name):
        if lines[-1] and len(lines[-1]) + len(word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
        while len(lines[-1].rstrip()) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return [line.rstrip() for line in lines]


def whole_text(value: Any) -> Any:
    """Returns JSON values with text that UTF-8 cannot encode (half a character) escaped."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {whole_text(key): whole_text(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [whole_text(inner) for inner in value]
    return value


def printable(text: str, *, keep: str = "") -> str:
    """Returns text with a question mark for every control character.

    Args:
        text: text from a file, a name, a program.
        keep: characters that stay, such as line ends.
    """
    return "".join(c if c.isprintable() or c in keep else "?" for c in text)


def markdown(text: str) -> str:
    """Returns text escaped for Markdown and HTML, without control characters.

    Punctuation is written as its number, but for what cannot be markup: ``1.5``, ``a-b``, ``(``.
    """
    return _PUNCTUATION.sub(lambda match: f"&#{ord(match[0])};", printable(text))
