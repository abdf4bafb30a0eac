"""Values of a record, checked where they enter it: nothing that cannot be read back gets in."""

import math
import operator
from collections.abc import Mapping
from typing import Any

from hpml_lab.errors import InputError
from hpml_lab.measure.record import Value, is_value


def counts(what: str, values: Mapping[str, Any]) -> dict[str, int]:
    """Returns exact counts by name.

    Raises:
        InputError: for one that is no whole number of 0 or more.
    """
    return {_name(what, name): _count(f"{what}[{name!r}]", value) for name, value in values.items()}


def numbers(what: str, values: Mapping[str, Any]) -> dict[str, float]:
    """Returns finite numbers by name.

    Raises:
        InputError: for one that is not.
    """
    return {
        _name(what, name): _number(f"{what}[{name!r}]", value) for name, value in values.items()
    }


def case(values: Mapping[str, Any]) -> dict[str, Value]:
    """Returns the settings that name a case; scalars of NumPy become those of Python.

    Raises:
        InputError: for one that is no text, number, truth value or None, or not finite.
    """
    return {_name("case", name): _setting(name, value) for name, value in values.items()}


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
