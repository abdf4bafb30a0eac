"""Escaping of text to and from files, and short forms of names."""

import re
from typing import Any

# Punctuation that is no markup: within and between numbers and words, at a sentence's end.
_HARMLESS = (
    r"(?<=[0-9])\.(?=[0-9])|(?<=[A-Za-z)])\.(?= |$)|(?<=[A-Za-z0-9]):(?= )"
    r"|(?<=[A-Za-z0-9])[-_=](?=[A-Za-z0-9])|(?<=[^ ] )[-=+](?= [^ ])"
)
_PUNCTUATION = re.compile(rf"(?!{_HARMLESS})[!-/:-@\[-`{{-~](?<![,;%?()/])")
_LONGEST = 120  # characters of a name that a reader is shown


def short(name: str) -> str:
    """Returns a name as people are shown it: of a very long one, both ends."""
    if len(name) <= _LONGEST:
        return name
    half = _LONGEST // 2
    return f"{name[: half - 3]}...{name[-half:]}"


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
