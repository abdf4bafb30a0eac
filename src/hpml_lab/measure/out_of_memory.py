"""Out of memory as a result: what was asked for, the largest batch that ran, memory given back."""

import gc
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch

from hpml_lab.errors import InputError, MemoryLimitError
from hpml_lab.measure.frames import clear_frames

Result = TypeVar("Result")

_UNITS = {"bytes": 1} | {f"{name}iB": 2 ** (10 * n) for n, name in enumerate("KMGTPE", 1)}
_ASKED = re.compile(rf"allocate ([\d.]+) ({'|'.join(_UNITS)})")
# torch has no class of its own for the CPU: c10/core/impl/alloc_cpu.cpp
_CPU_ALLOCATOR = "DefaultCPUAllocator: can't allocate memory"


@dataclass(frozen=True)
class OutOfMemory:
    """What stopped a run.

    Attributes:
        kind: ``cuda``, ``cpu``, or ``limit`` for one that was set by us.
        message: of the error, its first line.
        asked_bytes: size of the allocation that failed; None if the message does not say.
    """

    kind: str
    message: str
    asked_bytes: int | None


@dataclass(frozen=True)
class LargestBatch:
    """Which batches ran.

    Attributes:
        ran: the batches that ran, in the order in which they were tried.
        failed: the first that did not; None if all ran.
        out_of_memory: why it did not; None if all ran.
    """

    ran: tuple[int, ...]
    failed: int | None = None
    out_of_memory: OutOfMemory | None = None

    @property
    def largest(self) -> int | None:
        """The largest batch that ran; None if not even the first did."""
        return max(self.ran, default=None)


def out_of_memory(error: BaseException) -> OutOfMemory | None:
    """Returns what an error says about memory; None if it is about something else."""
    kind = _kind(error)
    if kind is None:
        return None
    message = next(iter(str(error).splitlines()), "") or type(error).__name__
    asked = _ASKED.search(message)
    size = round(float(asked[1].rstrip(".")) * _UNITS[asked[2]]) if asked else None
    return OutOfMemory(kind, message, size)


def attempt(call: Callable[[], Result]) -> Result | OutOfMemory:
    """Runs something that may need too much memory.

    Behind an out-of-memory nothing of the call is alive any more: the frames of the traceback are
    cleared, cycles are collected and cached device memory goes back.

    Raises:
        Exception: what the call raises for any other reason.
    """
    try:
        return call()
    except (MemoryError, MemoryLimitError, RuntimeError) as error:
        found = out_of_memory(error)
        if found is None:
            raise
        clear_frames(error)
    give_back()
    return found


def give_back() -> None:
    """Collects cycles and gives cached CUDA memory back to the driver; between any two cases."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def largest_running_batch(run: Callable[[int], object], batches: Iterable[int]) -> LargestBatch:
    """Runs batch after batch until one does not fit.

    Args:
        run: builds all it needs for a batch, runs it for at least two steps, and keeps nothing.
        batches: in ascending order.

    Raises:
        InputError: unless there is a batch and they ascend.
    """
    batches = list(batches)
    if not batches or batches != sorted(set(batches)):
        raise InputError(f"batches are {batches}; they must be one or more, in ascending order")
    for count, batch in enumerate(batches):
        result = attempt(partial(run, batch))
        if isinstance(result, OutOfMemory):
            return LargestBatch(tuple(batches[:count]), batch, result)
        del result
        give_back()
    return LargestBatch(tuple(batches))


def _kind(error: BaseException) -> str | None:
    if isinstance(error, MemoryLimitError):
        return "limit"
    if isinstance(error, torch.OutOfMemoryError):
        return "cuda"
    on_cpu = isinstance(error, MemoryError) or _CPU_ALLOCATOR in str(error)
    return "cpu" if on_cpu else None
