"""How torch computes and allocates, where it was told to do so otherwise than by default."""

import os
from typing import Any

import torch

from hpml_lab.measure.record import Value

_ALLOCATOR = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
# What torch.backends answers where nobody has set it: TF32 for cuDNN's convolutions alone.
_USUAL = {"convolution_precision": "tf32", "matmul_precision": "none"}
_EXACT = {"none", "ieee"}


def numerics(device: str | None) -> dict[str, Value]:
    """Returns what differs from torch's defaults, so that a case with it is another case.

    Args:
        device: the kind of device that works; None for the CPU.

    Returns:
        of ``convolution_precision`` and ``matmul_precision`` (``float32``, or the type to which
        inputs of float32 are rounded), ``cudnn_benchmark``, ``deterministic`` and ``allocator``
        (its settings, as text) those that were changed.
    """
    found: dict[str, Value] = {}
    backends: Any = torch.backends  # its typing knows none of these
    if torch.are_deterministic_algorithms_enabled() or backends.cudnn.deterministic:
        found["deterministic"] = True
    if device != "cuda":
        precision = backends.mkldnn.matmul.fp32_precision
        return found | ({} if precision in _EXACT else {"matmul_precision": precision})
    set_to = {
        "convolution_precision": backends.cudnn.conv.fp32_precision,
        "matmul_precision": backends.cuda.matmul.fp32_precision,
    }
    for name, precision in set_to.items():
        if precision != _USUAL[name] and not {precision, _USUAL[name]} <= _EXACT:
            found[name] = "float32" if precision in _EXACT else precision
    if backends.cudnn.benchmark:
        found["cudnn_benchmark"] = True
    if told := " ".join(filter(None, map(os.environ.get, _ALLOCATOR))):
        found["allocator"] = told
    return found
