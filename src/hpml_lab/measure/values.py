"""Validation of the values of a record: all of them can be read back from a saved run."""

import hashlib
import inspect
import math
import operator
from collections.abc import Mapping
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

from hpml_lab.errors import InputError
from hpml_lab.runs.schema import Value, is_value
from hpml_lab.text import whole_text

_LONGEST = 200  # characters of a parameter's text


def counts(what: str, values: Mapping[str, Any]) -> dict[str, int]:
    """Returns exact counts by name.

    Raises:
        InputError: for a count that is not a whole number of 0 or more.
    """
    return {_name(what, name): _count(f"{what}[{name!r}]", value) for name, value in values.items()}


def numbers(what: str, values: Mapping[str, Any]) -> dict[str, float]:
    """Returns finite numbers by name.

    Raises:
        InputError: for a number that is not finite.
    """
    return {
        _name(what, name): _number(f"{what}[{name!r}]", value) for name, value in values.items()
    }


def case(values: Mapping[str, Any]) -> dict[str, Value]:
    """Returns the settings that identify a case; NumPy scalars become Python scalars.

    Raises:
        InputError: for a setting that is not a text, finite number, bool or None.
    """
    return {_name("case", name): _setting(name, value) for name, value in values.items()}


def parameters_of_case(parameters: Mapping[str, Any]) -> dict[str, Value]:
    """Returns the parameters of a test as settings of its case.

    Finite numbers, texts, bools and None stay as they are; other numbers, classes, enum members,
    paths, tuples and the like become text. An object whose text differs between processes is left
    out.
    """
    named = {name: _parameter(value) for name, value in parameters.items()}
    return {name: value for name, value in named.items() if value is not _NAMELESS}


_NAMELESS: Any = object()


def _parameter(value: Any) -> Any:
    if hasattr(value, "dtype") and getattr(value, "ndim", 1) == 0 and callable(value.item):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str | Enum):
        return _shortened(whole_text(str(value)))
    if is_value(value):
        return value
    if isinstance(value, type):
        return value.__qualname__
    if inspect.isroutine(value):
        return value.__name__  # as pytest names it; a decorator changes the qualified name
    if isinstance(value, set | frozenset) or is_dataclass(value):
        return _NAMELESS
    text = str(value)
    return _NAMELESS if " at 0x" in text else _shortened(text)


def _shortened(text: str) -> str:
    """Returns a text, with a digest in place of the end if it is long."""
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[:_LONGEST]}... ({len(text):,} characters, sha256 {digest})"


def _setting(name: str, value: Any) -> Value:
    plain = value.item() if hasattr(value, "dtype") and not getattr(value, "ndim", 1) else value
    if isinstance(plain, float) and not math.isfinite(plain):
        raise InputError(f"case[{name!r}] is {plain}; give a finite number or a text")
    if not is_value(plain):
        raise InputError(
            f"case[{name!r}] is a {type(value).__name__}; give a text, number, truth value or None"
        )
    return plain


def _count(what: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if number < 0:
        raise InputError(f"{what} is {value!r}; counts are whole numbers, 0 or more")
    return number


def _number(what: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{what} is {value!r}; give a finite number")
    return number


def _name(what: str, name: Any) -> str:
    if not isinstance(name, str):
        raise InputError(f"a name in {what} is {name!r}; names are text")
    return name
