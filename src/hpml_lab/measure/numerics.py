"""How torch computes and allocates, where it was told to do so otherwise than by default."""

import os
from typing import Any

import torch

from hpml_lab.measure.record import Value

_ALLOCATOR = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
# What torch.backends answers where nobody has set it: TF32 in cuDNN alone.
_USUAL = {
    "convolution_precision": "tf32",
    "recurrent_precision": "tf32",
    "matmul_precision": "none",
}
_EXACT = {"none", "ieee"}


def numerics(device: str | None) -> dict[str, Value]:
    """Returns what differs from torch's defaults, so that a case with it is another case.

    Args:
        device: the kind of device that works; None for the CPU.

    Returns:
        of ``convolution_precision``, ``recurrent_precision`` and ``matmul_precision`` (``float32``,
        or the type to which inputs of float32 are rounded), ``deterministic``, ``cudnn_benchmark``,
        ``without_cudnn`` and ``allocator`` (its settings, as text) those that were changed.
    """
    backends: Any = torch.backends  # its typing knows none of these
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
