"""Networks without the memory of their weights: built so, copied so, and run so."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
)
from torch.overrides import TorchFunctionMode

from hpml_lab.errors import InputError

BY_VALUE = (DataDependentOutputException, DynamicOutputShapeException)
_REFUSALS = (AssertionError, IndexError, RuntimeError, TypeError, ValueError)


class EmptyWeights(TorchFunctionMode):
    """A context in which modules are built with their weights on the meta device.

    Unlike under ``torch.device("meta")``, what a builder computes with tensors has values.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Takes the device away from ``torch.empty``, which is how modules make their weights."""
        if func is torch.empty:
            kwargs = {**(kwargs or {}), "device": "meta"}
        return func(*args, **(kwargs or {}))


def without_storage(model: nn.Module, device: str = "meta") -> nn.Module:
    """Returns a copy whose parameters and buffers are empty; shared ones stay shared.

    Args:
        model: left as it is.
        device: ``meta``, or any device within a `FakeTensorMode`.

    Raises:
        InputError: if it holds what cannot be copied, such as a state with its graph.
    """
    empty = {id(buffer): _like(buffer, device) for buffer in model.buffers()}
    for parameter in model.parameters():
        empty[id(parameter)] = nn.Parameter(_like(parameter, device), parameter.requires_grad)
    with refusing("the network cannot be copied"):
        return copy.deepcopy(model, empty)


def _like(tensor: Tensor, device: str) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)


def forward(model: nn.Module, inputs: Tensor) -> Tensor:
    """Returns the logits; the random state stays as it was.

    Raises:
        InputError: if the model cannot take the inputs, or gives anything but one tensor.
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


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """A context in which torch's refusal of a shape becomes one line.

    Raises:
        InputError: with what was refused and the first line of torch's reason.
    """
    try:
        yield
    except InputError:
        raise
    except _REFUSALS as error:
        raise InputError(f"{what}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """Returns torch's reason in a line."""
    if isinstance(error, BY_VALUE):
        return f"{error.func} asks for values, as .item(), int(), if and indexing by a mask do"
    return (str(error) or type(error).__name__).splitlines()[0]
