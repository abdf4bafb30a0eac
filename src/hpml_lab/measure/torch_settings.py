"""Thread settings and numerical settings of torch that affect the time of a step."""

import os
from typing import Any

import torch

from hpml_lab.runs.schema import Value


def threads() -> dict[str, Value]:
    """Returns the thread counts, processor affinity and wait policy of torch.

    Returns:
        ``intraop_threads`` within an operator, ``interop_threads`` between operators, ``affinity``
        (processors that this process may use) and ``wait_policy``: OpenMP's, ``default`` unless it
        is set. Threads that spin while they wait are up to 43 times as slow next to other load.
    """
    allowed = getattr(os, "sched_getaffinity", None)
    return {
        "intraop_threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "affinity": len(allowed(0)) if allowed else os.cpu_count(),
        "wait_policy": os.environ.get("OMP_WAIT_POLICY", "default").lower(),
    }


_ALLOCATOR = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
# Defaults of torch.backends: TF32 only in cuDNN.
_USUAL = {
    "convolution_precision": "tf32",
    "recurrent_precision": "tf32",
    "matmul_precision": "none",
}
_EXACT = {"none", "ieee"}


def numerics(device: str | None) -> dict[str, Value]:
    """Returns the numerical settings that differ from torch's defaults; they identify the case.

    Args:
        device: Type of the device; None for the CPU.

    Returns:
        The changed ones of ``convolution_precision``, ``recurrent_precision`` and
        ``matmul_precision`` (``float32``, or the type to which float32 inputs are rounded),
        ``deterministic``, ``cudnn_benchmark``, ``without_cudnn`` and ``allocator`` (its settings as
        text).
    """
    backends: Any = torch.backends  # its type stubs have none of these
    changed: dict[str, Value] = {}
    if torch.are_deterministic_algorithms_enabled():
        changed["deterministic"] = True
    if device != "cuda":
        precisions = {
            "convolution_precision": backends.mkldnn.conv.fp32_precision,
            "matmul_precision": backends.mkldnn.matmul.fp32_precision,
        }
        return changed | {name: kind for name, kind in precisions.items() if kind not in _EXACT}
    set_to = {
        "convolution_precision": backends.cudnn.conv.fp32_precision,
        "recurrent_precision": backends.cudnn.rnn.fp32_precision,
        "matmul_precision": backends.cuda.matmul.fp32_precision,
    }
    for name, precision in set_to.items():
        if precision != _USUAL[name] and not {precision, _USUAL[name]} <= _EXACT:
            changed[name] = "float32" if precision in _EXACT else precision
    switches = {
        "deterministic": backends.cudnn.deterministic,
        "cudnn_benchmark": backends.cudnn.benchmark,
        "without_cudnn": not backends.cudnn.enabled,
    }
    changed |= {name: True for name, is_set in switches.items() if is_set}
    if settings := " ".join(filter(None, map(os.environ.get, _ALLOCATOR))):
        changed["allocator"] = settings
    return changed
