"""Every error this library raises on purpose.

HpmlError
├── InputError          what the caller asked for cannot be done (also a ValueError)
│   ├── DataError       a data file or folder is missing, damaged or truncated
│   └── NothingFitsError
├── MeasurementError    a measurement ran, but its numbers must not be used
│   ├── MemoryLimitError
│   ├── NonFiniteLossError
│   └── TimingGapError
└── RunFileError        a saved run cannot be read (also a ValueError)
    └── JournalError    the journal of a run cannot be read or has been damaged
"""

import re
import traceback
from collections.abc import Iterable
from pathlib import Path

_OF_A_WORKER = re.compile(r"Caught \w+ in DataLoader worker process")


class HpmlError(Exception):
    """Base of all errors below; its text is one line for the user."""


class InputError(HpmlError, ValueError):
    """Bad input: the message names it, its value, and what is allowed.

    Attributes:
        allowed: the names that would have been accepted; empty if the error concerns no name.
    """

    def __init__(self, message: str, allowed: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.allowed = tuple(allowed)


class DataError(InputError):
    """A data file or folder is missing, damaged or truncated; names the file.

    Attributes:
        path: the file or folder; None if the error concerns none.
    """

    def __init__(self, message: str, path: Path | None = None) -> None:
        super().__init__(message)
        self.path = path


class NothingFitsError(InputError):
    """Not even one sample fits into a memory; says what it needs."""


class MeasurementError(HpmlError):
    """A measurement is void and leaves no result."""


class MemoryLimitError(MeasurementError):
    """A step needs more memory than it was allowed; says how much, and where."""


class NonFiniteLossError(MeasurementError):
    """The training loss became NaN or infinite."""


class TimingGapError(MeasurementError):
    """The parts of an epoch do not add up to its total."""


class RunFileError(HpmlError, ValueError):
    """A saved run is not readable as one; names the file and the place in it.

    Attributes:
        path: the file; None if the error concerns none.
    """

    def __init__(self, message: str, path: Path | None = None) -> None:
        super().__init__(message)
        self.path = path


class JournalError(RunFileError):
    """A journal is not readable as one; names the file and the line."""


def unknown(what: str, got: object, allowed: Iterable[str]) -> InputError:
    """Returns the error for a name that is not in a fixed list.

    Args:
        what: the thing named, such as ``optimizer``.
        got: what was given.
        allowed: the names that would have been accepted.
    """
    names = list(allowed)
    return InputError(f"unknown {what} {got!r}; choose one of: {', '.join(names)}", names)


def one_line(error: BaseException) -> str:
    """Returns type and message of any error in one line.

    That is its first line; of what a loader's worker raised, which comes with the worker's
    traceback, the last one.
    """
    lines = str(error).strip().splitlines() or [""]
    if _OF_A_WORKER.match(lines[0]):
        return lines[-1]
    return f"{type(error).__name__}: {lines[0]}".removesuffix(": ")


def clear_frames(error: BaseException) -> None:
    """Clears the frames of an error and of its causes and contexts.

    Whoever keeps the error (a debugger, a logger) would otherwise keep every tensor of the step.
    """
    waiting = [error]
    while waiting:
        current = waiting.pop()
        traceback.clear_frames(current.__traceback__)
        current.__traceback__ = None
        # The chain may be a cycle; errors that are done have no traceback any more.
        earlier = (current.__cause__, current.__context__)
        waiting += [other for other in earlier if other and other.__traceback__]
