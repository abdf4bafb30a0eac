"""The memory of a step, measured: one call for both devices."""

from collections.abc import Callable
from typing import Any

from hpml_lab.measure.cpu_memory import cpu_peak
from hpml_lab.measure.cuda_memory import cuda_peak

STEPS = 2  # state exists from the second step on


def step_memory(step: Callable[[], Any], device: str, calls: int = STEPS) -> dict[str, int]:
    """Returns the memory of a step: a warm-up call, then the peaks over two or more.

    Let earlier cases go and call `out_of_memory.give_back` before building what the step needs:
    what they left in the allocator's cache counts as reserved.

    Args:
        step: takes one training step.
        device: ``cuda`` or ``cpu``, where it takes it.
        calls: the peaks are over so many, and at least two.

    Returns:
        the readings of `cuda_peak` or of `cpu_peak`, in bytes.
    """
    step()
    steps = max(calls, STEPS)
    return cuda_peak(step, steps=steps) if device == "cuda" else cpu_peak(step, steps)
