"""The memory of a step, measured: one call for both devices."""

from collections.abc import Callable
from typing import Any

import torch

from hpml_lab.measure.cpu_memory import cpu_peak
from hpml_lab.measure.cuda_memory import cuda_peak

STEPS = 2  # state exists from the second step on


def step_memory(step: Callable[[], Any], device: str) -> dict[str, int]:
    """Returns the memory of a step: a warm-up call, then the peaks over two.

    Let earlier cases go and call `out_of_memory.give_back` before building what the step needs:
    what they left in the allocator's cache counts as reserved.

    Args:
        step: takes one training step.
        device: ``cuda`` or ``cpu``, where it takes it.

    Returns:
        the readings of `cuda_peak` or of `cpu_peak`, in bytes.
    """
    step()
    return cuda_peak(step, steps=STEPS) if device == "cuda" else cpu_peak(step, STEPS)


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
