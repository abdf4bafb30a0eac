"""Settings from the command line, read by the type of the value that they replace."""

from typing import Any

from hpml_lab.errors import InputError

_KINDS = {int: "whole number", float: "number"}


def parse_setting(name: str, text: str, default: Any) -> Any:
    """Returns the value of a setting from its text.

    Args:
        name: of the setting.
        text: as given.
        default: what it replaces: a truth value (``true``, ``false``), a number, a text, or None,
            which takes a number where the text is one and a text else.

    Raises:
        InputError: for a text that is not of that type, or a default of any other type.
    """
    if isinstance(default, bool):
        if text not in {"true", "false"}:
            raise InputError(f"{name} {text!r} is neither true nor false")
        return text == "true"
    if isinstance(default, str):
        return text
    if default is None:
        return _number_or_text(text)
    if type(default) not in _KINDS:
        raise InputError(
            f"{name} is a {type(default).__name__} by default, which no text can give; set it in "
            "Python"
        )
    try:
        return type(default)(text)
    except ValueError:
        raise InputError(f"{name} {text!r} is not a {_KINDS[type(default)]}") from None


def _number_or_text(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
