"""Text that goes into files and comes out of them, and names that people read."""

from typing import Any

_LONGEST = 120  # characters of a name that a reader is shown


def short(name: str) -> str:
    """Returns a name as people are shown it: of one of thousands of characters, both ends."""
    if len(name) <= _LONGEST:
        return name
    half = _LONGEST // 2
    return f"{name[: half - 3]}...{name[-half:]}"


def whole_text(value: Any) -> Any:
    """Returns JSON's values with what no file can hold as UTF-8 (half a character) spelled out."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {whole_text(key): whole_text(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [whole_text(inner) for inner in value]
    return value
