"""Batch norm on meta tensors, in one rule where PyTorch spells it out operator by operator."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_ATEN = torch.ops.aten


class QuickBatchNorm(TorchDispatchMode):
    """A context in which float32 batch norms in training give their results at once.

    PyTorch's own rule takes 60 times as long, and half of the time of tracing such a network.
    Unlike it, and like the kernel, the backward pass makes no gradient that is not wanted.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an operator, or the rule for it."""
        if func is _ATEN.native_batch_norm.default and _known(args[0], args[5]):
            return torch.empty_like(args[0]), *_per_channel(args[0], (True, True))
        if func is _ATEN.native_batch_norm_backward.default and _known(args[1], args[7]):
            first, *others = args[9]
            return torch.empty_like(args[1]) if first else None, *_per_channel(args[1], others)
        return func(*args, **(kwargs or {}))


def _known(inputs: Tensor, training: bool) -> bool:
    return training and inputs.is_meta and inputs.dtype == torch.float32


def _per_channel(inputs: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
    return [inputs.new_empty(inputs.shape[1]) if is_wanted else None for is_wanted in wanted]
