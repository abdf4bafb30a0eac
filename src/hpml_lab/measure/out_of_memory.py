"""Out of memory as a result: size of the failed request, largest batch that ran, cleanup."""

import gc
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch

from hpml_lab.errors import InputError, MemoryLimitError, clear_frames

Result = TypeVar("Result")

_UNITS = {"bytes": 1} | {f"{name}iB": 2 ** (10 * n) for n, name in enumerate("KMGTPE", 1)}
_ASKED = re.compile(rf"allocate ([\d.]+) ({'|'.join(_UNITS)})")
# torch has no exception class for the CPU: c10/core/impl/alloc_cpu.cpp
_CPU_ALLOCATOR = "DefaultCPUAllocator: can't allocate memory"


@dataclass(frozen=True)
class OutOfMemory:
    """An out-of-memory error.

    Attributes:
        kind: ``cuda``, ``cpu``, or ``limit`` for a limit that we set.
        message: First line of the error message.
        asked_bytes: Size of the failed allocation; None if the message does not name it.
    """

    kind: str
    message: str
    asked_bytes: int | None


@dataclass(frozen=True)
class LargestBatch:
    """Batch sizes that ran, and the first that did not.

    Attributes:
        ran: Batch sizes that ran, in the order of the attempts.
        failed: First batch size that did not fit; None if all ran.
        out_of_memory: Its error; None if all ran.
    """

    ran: tuple[int, ...]
    failed: int | None = None
    out_of_memory: OutOfMemory | None = None

    @property
    def largest(self) -> int | None:
        """The largest batch that ran; None if not even the first did."""
        return max(self.ran, default=None)


def out_of_memory(error: BaseException) -> OutOfMemory | None:
    """Returns an out-of-memory error in parsed form; None for any other error."""
    kind = _kind(error)
    if kind is None:
        return None
    message = next(iter(str(error).splitlines()), "") or type(error).__name__
    asked = _ASKED.search(message)
    size = round(float(asked[1].rstrip(".")) * _UNITS[asked[2]]) if asked else None
    return OutOfMemory(kind, message, size)


def attempt(call: Callable[[], Result]) -> Result | OutOfMemory:
    """Runs a call that may run out of memory.

    After an out-of-memory error nothing of the call stays alive: the frames of the traceback are
    cleared, cycles are collected and cached device memory is released.

    Raises:
        Exception: any other error of the call.
    """
    try:
        return call()
    except (MemoryError, MemoryLimitError, RuntimeError) as error:
        failure = out_of_memory(error)
        if failure is None:
            raise
        clear_frames(error)
    release_cached_memory()
    return failure


def release_cached_memory() -> None:
    """Collects cycles and releases cached CUDA memory to the driver; runs between cases."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def largest_running_batch(run: Callable[[int], object], batches: Iterable[int]) -> LargestBatch:
    """Runs increasing batch sizes until one does not fit.

    Args:
        run: Builds a training for a batch size, runs two steps or more, and keeps nothing.
        batches: Batch sizes in ascending order.

    Raises:
        InputError: if there is no batch size, or they do not ascend.
    """
    batches = list(batches)
    if not batches or batches != sorted(set(batches)):
        raise InputError(f"batches are {batches}; they must be one or more, in ascending order")
    for count, batch in enumerate(batches):
        result = attempt(partial(run, batch))
        if isinstance(result, OutOfMemory):
            return LargestBatch(tuple(batches[:count]), batch, result)
        del result
        release_cached_memory()
    return LargestBatch(tuple(batches))


def _kind(error: BaseException) -> str | None:
    if isinstance(error, MemoryLimitError):
        return "limit"
    if isinstance(error, torch.OutOfMemoryError):
        return "cuda"
    on_cpu = isinstance(error, MemoryError) or _CPU_ALLOCATOR in str(error)
    return "cpu" if on_cpu else None
