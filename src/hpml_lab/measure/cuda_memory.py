"""The memory of a step on CUDA, from the counters of the caching allocator."""

import gc
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch


class CudaMemory(Protocol):
    """The calls of `torch.cuda` that are needed; a fake stands in where there is no GPU."""

    def empty_cache(self) -> None:
        """Gives unused cached blocks back."""
        ...

    def reset_peak_memory_stats(self) -> None:
        """Starts new peaks at the present values."""
        ...

    def synchronize(self) -> None:
        """Waits for the device."""
        ...

    def memory_stats(self) -> Mapping[str, int]:
        """The allocator's counters."""
        ...

    def mem_get_info(self) -> tuple[int, int]:
        """Free and total bytes of the device, other programs counted."""
        ...


def cuda_peak(
    step: Callable[[], Any], cuda: CudaMemory | Any = torch.cuda, steps: int = 2
) -> dict[str, int]:
    """Returns the memory of a step that has run before, over further calls.

    Args:
        step: called with its optimizer state already present.
        cuda: where the readings come from.
        steps: calls.

    Returns:
        ``allocated_bytes`` (live before the calls); the peaks ``peak_requested_bytes`` (asked for),
        ``peak_allocated_bytes`` (of live blocks), ``peak_active_bytes`` (also of blocks that wait
        for another stream) and ``peak_reserved_bytes`` (held by the allocator);
        ``device_used_bytes`` (all programs).
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
