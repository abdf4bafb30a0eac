"""Checks of single numbers; each refusal says what, what was got and what is allowed."""

import math
import operator
from typing import SupportsFloat, SupportsIndex

from hpml_lab.errors import InputError


def whole(what: str, value: SupportsIndex, least: int = 0) -> int:
    """Returns a whole number.

    Raises:
        InputError: for anything that is not a whole number of ``least`` or more.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise InputError(f"{what} is {value!r}; it must be a whole number, {least} or more")
    return number


def kept(keep: SupportsFloat) -> float:
    """Returns a keep probability.

    Raises:
        InputError: unless it is above 0 and at most 1.
    """
    if not 0 < float(keep) <= 1:
        raise InputError(f"keep is {keep!r}; it must be above 0 and at most 1")
    return float(keep)


def dropped(drop: SupportsFloat) -> float:
    """Returns a drop probability.

    Raises:
        InputError: unless it is 0 or more and below 1.
    """
    if not 0 <= float(drop) < 1:
        raise InputError(f"drop is {drop!r}; it must be 0 or more and below 1")
    return float(drop)


def positive(what: str, value: SupportsFloat) -> float:
    """Returns a finite number above 0.

    Raises:
        InputError: for anything else.
    """
    if not 0 < float(value) < math.inf:
        raise InputError(f"{what} is {value!r}; it must be finite and above 0")
    return float(value)


def not_negative(what: str, value: SupportsFloat) -> float:
    """Returns a finite number of 0 or more.

    Raises:
        InputError: for anything else.
    """
    if not 0 <= float(value) < math.inf:
        raise InputError(f"{what} is {value!r}; it must be finite and 0 or more")
    return float(value)
