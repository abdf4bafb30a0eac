"""Errors of torch, and of tensors without values, as an `InputError` of one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException

from hpml_lab.errors import InputError

BY_VALUE = (DataDependentOutputException, DynamicOutputShapeException)


_REFUSALS = (AssertionError, IndexError, RuntimeError, TypeError, ValueError)


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """A context in which an error of torch becomes an `InputError` of one line.

    Raises:
        InputError: with `what` and the first line of torch's message.
    """
    try:
        yield
    except InputError:
        raise
    except _REFUSALS as error:
        raise InputError(f"{what}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """Returns torch's message in one line."""
    if isinstance(error, BY_VALUE):
        return f"{error.func} asks for values, as .item(), int(), if and indexing by a mask do"
    return (str(error) or type(error).__name__).splitlines()[0]
