"""The memory of a step on the CPU: what its allocator gave out, and what the process held."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from torch._C._profiler import _EventType
from torch.profiler import ProfilerActivity, profile

_PROCESS = Path("/proc/self")
_RESET_PEAK = "5"  # man 5 proc, clear_refs: resets the peak resident set to the present one


def cpu_peak(step: Callable[[], Any], steps: int, process: Path = _PROCESS) -> dict[str, int]:
    """Returns the memory of a step that has run before, over further calls.

    The two readings are taken in separate calls, since the profiler takes memory of its own.

    Args:
        step: called with its optimizer state already present.
        steps: calls for each reading.
        process: this process's folder in the proc file system.

    Returns:
        ``peak_step_bytes``, see `allocator_peak`, and ``peak_resident_bytes``, see
        `resident_peak`; the latter only where it can be read.
    """

    def calls() -> None:
        for _ in range(steps):
            step()

    peaks = {"peak_step_bytes": allocator_peak(calls)}
    resident = resident_peak(calls, process)
    return peaks if resident is None else peaks | {"peak_resident_bytes": resident}


def allocator_peak(step: Callable[[], Any], least_bytes: int = 1) -> int:
    """Returns the most bytes alive at once of those that a call allocated.

    Counts what torch's CPU allocator is asked for, by operators, kernels and compiled code alike;
    not what libraries such as oneDNN take from the system by themselves. What was alive before the
    call is not known to the profiler: it is not in the number, and its release takes nothing away.
    So for a training step the number is the peak less parameters, buffers, state and batch.

    Args:
        step: what to watch.
        least_bytes: smaller allocations are left out: 9 leaves out every scalar, which closed
            forms do not count.
    """
    activities = [ProfilerActivity.CPU]
    # torch 2.11 warns about events of earlier cycles unless it is told to keep them.
    with profile(activities=activities, profile_memory=True, acc_events=True) as recorded:
        step()
    assert recorded.profiler is not None  # noqa: S101 - set since the block has ended
    # No public event tells bytes and addresses.
    tree = recorded.profiler.kineto_results.experimental_event_tree()
    held: dict[int, int] = {}
    peak = now = 0
    for event in sorted(_allocations(tree), key=lambda event: event.start_time_ns):
        block, size = event.extra_fields.ptr, event.extra_fields.alloc_size
        if size >= least_bytes:
            held[block] = size
            now += size
        elif size < 0:
            # For a block from before, torch tells a size that was once at the same address.
            now -= held.pop(block, 0)
        peak = max(peak, now)
    return peak


def _allocations(events: Iterable[Any]) -> Iterator[Any]:
    for event in events:
        if event.tag == _EventType.Allocation and event.extra_fields.device.type == "cpu":
            yield event
        yield from _allocations(event.children)


def resident_peak(step: Callable[[], Any], process: Path = _PROCESS) -> int | None:
    """Returns the most bytes of memory that the process held while a call ran.

    Includes the interpreter, libraries and what freed tensors left with the C library.

    Returns:
        the high-water mark since the call began; None, and no call, where the mark cannot be reset
        (not on Linux, or not permitted).
    """
    try:
        (process / "clear_refs").write_text(_RESET_PEAK)
    except OSError:
        return None
    step()
    found = re.search(r"^VmHWM:\s*(\d+) kB$", (process / "status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else None
