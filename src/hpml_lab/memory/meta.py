"""Networks on tensors without storage: building, copying and running them."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from hpml_lab.errors import InputError
from hpml_lab.training.refusals import refusing


class EmptyWeights(TorchFunctionMode):
    """A context in which modules are built with their weights on the meta device.

    Unlike with ``torch.device("meta")``, tensors that the builder computes with have values.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Replaces the device of ``torch.empty``, with which modules create their weights."""
        if func is torch.empty:
            kwargs = {**(kwargs or {}), "device": "meta"}
        return func(*args, **(kwargs or {}))


def without_storage(model: nn.Module, device: str = "meta") -> nn.Module:
    """Returns a copy whose parameters and buffers are empty; shared ones stay shared.

    Args:
        model: Left unchanged.
        device: ``meta``, or any device within a `FakeTensorMode`.

    Raises:
        InputError: if a part of it cannot be copied, such as a state with its graph.
    """
    empty = {id(buffer): _like(buffer, device) for buffer in model.buffers()}
    for parameter in model.parameters():
        empty[id(parameter)] = nn.Parameter(_like(parameter, device), parameter.requires_grad)
    with refusing("the network cannot be copied"):
        return copy.deepcopy(model, empty)


def _like(tensor: Tensor, device: str) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)


def forward(model: nn.Module, inputs: Tensor) -> Tensor:
    """Returns the logits; the random state is unchanged.

    Raises:
        InputError: if the model does not accept the inputs, or returns anything but one tensor.
    """
    shape = "x".join(map(str, inputs.shape[1:]))
    refused = refusing(f"the network cannot take an input of {shape}")
    with refused, torch.random.fork_rng(devices=[]):
        logits = model(inputs)
    if not isinstance(logits, Tensor):
        raise InputError(
            f"the network gives {type(logits).__name__} instead of one tensor of logits; choose a "
            "network without auxiliary outputs"
        )
    return logits


_ATEN = torch.ops.aten


class QuickBatchNorm(TorchDispatchMode):
    """A context with a fast meta rule for float32 batch norms in training.

    PyTorch's own rule takes 60 times as long, and half of the time of tracing such a network.
    Unlike it, and like the kernel, the backward pass computes no gradient that is not needed.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an operator, or the fast rule for it."""
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
