"""Checks of single numbers; errors name the argument, its value and the allowed values."""

import math
import operator
from typing import SupportsFloat, SupportsIndex

from hpml_lab.errors import InputError


def check_int(what: str, value: SupportsIndex, least: int = 0) -> int:
    """Returns the value as a whole number.

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


def check_keep(keep: SupportsFloat) -> float:
    """Returns the value as a keep probability.

    Raises:
        InputError: unless it is above 0 and at most 1.
    """
    if not 0 < float(keep) <= 1:
        raise InputError(f"keep is {keep!r}; it must be above 0 and at most 1")
    return float(keep)


def check_drop(drop: SupportsFloat) -> float:
    """Returns the value as a drop probability.

    Raises:
        InputError: unless it is 0 or more and below 1.
    """
    if not 0 <= float(drop) < 1:
        raise InputError(f"drop is {drop!r}; it must be 0 or more and below 1")
    return float(drop)


def check_positive(what: str, value: SupportsFloat) -> float:
    """Returns the value as a finite number above 0.

    Raises:
        InputError: for anything else.
    """
    if not 0 < float(value) < math.inf:
        raise InputError(f"{what} is {value!r}; it must be finite and above 0")
    return float(value)


def check_not_negative(what: str, value: SupportsFloat) -> float:
    """Returns the value as a finite number of 0 or more.

    Raises:
        InputError: for anything else.
    """
    if not 0 <= float(value) < math.inf:
        raise InputError(f"{what} is {value!r}; it must be finite and 0 or more")
    return float(value)


_LONGEST_S = 7 * 24 * 3600.0  # what waits for a process overflows beyond 24 days


def check_limit_s(name: str, seconds: float) -> float:
    """Returns a time limit.

    Raises:
        InputError: unless it is above 0 and at most a week.
    """
    if not 0 < seconds <= _LONGEST_S:
        raise InputError(f"{name} {seconds:g} is no time; give seconds above 0, at most a week")
    return seconds
