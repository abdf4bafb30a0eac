"""Text that goes into files and comes out of them."""

from typing import Any


def whole_text(value: Any) -> Any:
    """Returns JSON's values with what no file can hold as UTF-8 (half a character) spelled out."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {whole_text(key): whole_text(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [whole_text(inner) for inner in value]
    return value
