"""Measured memory of a step, on the CPU and on CUDA: allocator readings and resident memory."""

import gc
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch._C._profiler import _EventType
from torch.profiler import ProfilerActivity, profile

_PROCESS = Path("/proc/self")
_RESET_PEAK = "5"  # man 5 proc, clear_refs: resets the peak resident set to the current one


def cpu_peak(step: Callable[[], Any], steps: int, process: Path = _PROCESS) -> dict[str, int]:
    """Returns the memory of a step that has run before, over additional calls.

    The two readings are taken in separate calls, since the profiler allocates memory too.

    Args:
        step: A step with its optimizer state already present.
        steps: Number of calls for each reading.
        process: Folder of this process in the proc file system.

    Returns:
        ``peak_step_bytes``, see `allocator_peak`, and ``peak_resident_bytes``, see
        `resident_peak`; the latter only if it can be read.
    """

    def calls() -> None:
        for _ in range(steps):
            step()

    peaks = {"peak_step_bytes": allocator_peak(calls)}
    resident = resident_peak(calls, process)
    return peaks if resident is None else peaks | {"peak_resident_bytes": resident}


def allocator_peak(step: Callable[[], Any], least_bytes: int = 1) -> int:
    """Returns the peak of live bytes among the allocations of a call.

    Counts requests to torch's CPU allocator by operators, kernels and compiled code; not memory
    that libraries such as oneDNN allocate from the system directly. Blocks from before the call
    are unknown to the profiler: they do not count, and neither does their release. So for a
    training step the number is the peak minus parameters, buffers, state and batch.

    Args:
        step: The call to profile.
        least_bytes: Smaller allocations are left out: 9 leaves out every scalar, as closed forms
            do.
    """
    activities = [ProfilerActivity.CPU]
    # torch 2.11 warns about events of earlier cycles unless acc_events keeps them.
    with profile(activities=activities, profile_memory=True, acc_events=True) as recorded:
        step()
    assert recorded.profiler is not None  # noqa: S101 - set since the block has ended
    # No public event has bytes and addresses.
    tree = recorded.profiler.kineto_results.experimental_event_tree()
    held: dict[int, int] = {}
    peak = now = 0
    for event in sorted(_allocations(tree), key=lambda event: event.start_time_ns):
        block, size = event.extra_fields.ptr, event.extra_fields.alloc_size
        if size >= least_bytes:
            held[block] = size
            now += size
        elif size < 0:
            # For a block from before, torch reports an old size of the same address.
            now -= held.pop(block, 0)
        peak = max(peak, now)
    return peak


def _allocations(events: Iterable[Any]) -> Iterator[Any]:
    for event in events:
        if event.tag == _EventType.Allocation and event.extra_fields.device.type == "cpu":
            yield event
        yield from _allocations(event.children)


def resident_peak(step: Callable[[], Any], process: Path = _PROCESS) -> int | None:
    """Returns the peak resident set size of the process during a call, in bytes.

    Includes the interpreter, libraries and freed memory that the C library still holds.

    Returns:
        The high-water mark since the call began; None, and no call, if the mark cannot be reset
        (not on Linux, or not permitted).
    """
    try:
        (process / "clear_refs").write_text(_RESET_PEAK)
    except OSError:
        return None
    step()
    peak = re.search(r"^VmHWM:\s*(\d+) kB$", (process / "status").read_text(), re.MULTILINE)
    return int(peak[1]) * 1024 if peak else None


class CudaMemory(Protocol):
    """Interface of `torch.cuda` for the readings; tests pass a fake."""

    def empty_cache(self) -> None:
        """Releases unused cached blocks."""
        ...

    def reset_peak_memory_stats(self) -> None:
        """Resets the peaks to the current values."""
        ...

    def synchronize(self) -> None:
        """Waits for the device."""
        ...

    def memory_stats(self) -> Mapping[str, int]:
        """The allocator's counters."""
        ...

    def mem_get_info(self) -> tuple[int, int]:
        """Free and total bytes of the device, other processes included."""
        ...


def cuda_peak(
    step: Callable[[], Any], cuda: CudaMemory | Any = torch.cuda, steps: int = 2
) -> dict[str, int]:
    """Returns the memory of a step that has run before, over additional calls.

    Args:
        step: A step with its optimizer state already present.
        cuda: `torch.cuda`, or a fake.
        steps: Number of calls.

    Returns:
        ``allocated_bytes`` (live before the calls); the peaks ``peak_requested_bytes``,
        ``peak_allocated_bytes`` (live blocks), ``peak_active_bytes`` (also blocks that wait for
        another stream) and ``peak_reserved_bytes`` (held by the allocator); ``device_used_bytes``
        (all processes).
    """
    gc.collect()
    cuda.synchronize()
    cuda.reset_peak_memory_stats()
    before = cuda.memory_stats()
    for _ in range(steps):
        step()
    cuda.synchronize()
    after = cuda.memory_stats()
    free, total = cuda.mem_get_info()
    peaks = ("requested", "allocated", "active", "reserved")
    return {
        "allocated_bytes": before["allocated_bytes.all.current"],
        **{f"peak_{peak}_bytes": after[f"{peak}_bytes.all.peak"] for peak in peaks},
        "device_used_bytes": total - free,
    }


STEPS = 2  # state exists from the second step on


def step_memory(step: Callable[[], Any], device: str, calls: int = STEPS) -> dict[str, int]:
    """Returns the memory of a step: a warm-up call, then the peaks over two or more.

    Release earlier cases and call `out_of_memory.release_cached_memory` before building the step:
    cached memory of the allocator counts as reserved.

    Args:
        step: Runs one training step.
        device: Device of the step, ``cuda`` or ``cpu``.
        calls: Number of calls that the peaks are over, at least two.

    Returns:
        The readings of `cuda_peak` or of `cpu_peak`, in bytes.
    """
    step()
    steps = max(calls, STEPS)
    return cuda_peak(step, steps=steps) if device == "cuda" else cpu_peak(step, steps)
