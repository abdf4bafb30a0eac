"""Bytes: the optimizer's state, counted, and the peak of a step on CUDA, measured."""

import gc
from collections.abc import Callable
from typing import Any, Protocol

import torch

_STEPS = 2  # state exists from the second step on


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

    def memory_allocated(self) -> int:
        """Bytes in live tensors."""
        ...

    def max_memory_allocated(self) -> int:
        """Largest `memory_allocated` since the reset."""
        ...

    def max_memory_reserved(self) -> int:
        """Largest bytes held by the caching allocator since the reset."""
        ...

    def mem_get_info(self) -> tuple[int, int]:
        """Free and total bytes of the device, other programs counted."""
        ...


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, int]:
    """Returns the exact bytes that an optimizer keeps, step counters apart.

    Returns:
        ``optimizer_state_bytes``, ``step_counters`` (how many) and ``step_counter_bytes``.
    """
    kept = [pair for state in optimizer.state.values() for pair in state.items()]
    tensors = {
        key: [v for k, v in kept if (k == "step") == key and torch.is_tensor(v)]
        for key in (False, True)
    }
    return {
        "optimizer_state_bytes": sum(tensor.nbytes for tensor in tensors[False]),
        "step_counters": len(tensors[True]),
        "step_counter_bytes": sum(tensor.nbytes for tensor in tensors[True]),
    }


def cuda_peak(step: Callable[[], Any], cuda: CudaMemory | Any = torch.cuda) -> dict[str, int]:
    """Returns the memory of a step that has run before, over two further calls.

    Args:
        step: called with its optimizer state already present.
        cuda: where the readings come from.

    Returns:
        ``allocated_bytes`` (live before the calls), ``peak_allocated_bytes``,
        ``peak_reserved_bytes`` and ``device_used_bytes`` (other programs included).
    """
    gc.collect()
    cuda.empty_cache()
    cuda.synchronize()
    cuda.reset_peak_memory_stats()
    allocated = cuda.memory_allocated()
    for _ in range(_STEPS):
        step()
    cuda.synchronize()
    free, total = cuda.mem_get_info()
    return {
        "allocated_bytes": allocated,
        "peak_allocated_bytes": cuda.max_memory_allocated(),
        "peak_reserved_bytes": cuda.max_memory_reserved(),
        "device_used_bytes": total - free,
    }
