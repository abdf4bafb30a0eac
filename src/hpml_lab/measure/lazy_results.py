"""Refuses calls that only start their work: coroutines, generators, futures."""

import inspect
import io
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from hpml_lab.errors import InputError

_LOOKED_AT = 8  # elements of a container
# Method names of futures (concurrent, asyncio, torch), pool results and distributed work handles.
_HANDLES = (("add_done_callback",), ("wait", "ready"), ("wait", "is_completed"))


def refuse_coroutine_function(step: Callable[..., Any]) -> None:
    """Refuses a coroutine or generator function before it is called.

    Raises:
        InputError: if calling it creates a coroutine or a generator.
    """
    inner = step if inspect.isroutine(step) else getattr(step, "__call__", step)  # noqa: B004
    lazy = (
        inspect.iscoroutinefunction,
        inspect.isasyncgenfunction,
        inspect.isgeneratorfunction,
    )
    if any(is_lazy(step) or is_lazy(inner) for is_lazy in lazy):
        name = getattr(step, "__qualname__", type(step).__qualname__)
        raise InputError(
            f"{name} runs nothing when it is called; give a function that runs it to its end, "
            "such as lambda: asyncio.run(step()) or lambda: list(step())"
        )


def refuse_pending(result: Any) -> None:
    """Refuses the result of a call whose work has not finished or not begun.

    Raises:
        InputError: if the result is an awaitable, iterator, future, or running thread or process,
            or a container of them.
    """
    parts = list(result.values()) if isinstance(result, Mapping) else result
    inside = islice(parts, _LOOKED_AT) if isinstance(parts, list | tuple | set) else ()
    for part in (result, *inside):
        if _is_pending(part):
            if inspect.iscoroutine(part):
                part.close()  # or Python warns that it was never awaited
            raise InputError(
                f"the call returned a {type(part).__name__}, so its work is not done when it "
                "returns; give a function that waits for it, such as lambda: list(step()), "
                "lambda: asyncio.run(step()) or lambda: step().result()"
            )


def _is_pending(value: Any) -> bool:
    if isinstance(value, type | Mapping | io.IOBase):
        return False
    if inspect.isawaitable(value) or inspect.isasyncgen(value):
        return True
    if isinstance(value, threading.Thread):
        return value.is_alive()
    if isinstance(value, subprocess.Popen):
        return value.returncode is None
    if isinstance(value, Iterator):
        return True
    return any(all(callable(getattr(value, n, None)) for n in names) for names in _HANDLES)
