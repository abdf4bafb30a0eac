"""The memory of a training step of any network, traced on tensors without storage.

Forward, loss and backward run operator by operator on shapes alone, so the tensors that autograd
saves are observed, not modelled; the optimizer's step is a closed form. The operators are those of
the CPU. Kernels of a GPU are expected to keep other tensors in some cases, not measured yet:
dropout a mask of one byte per element (on a CPU of the input's dtype), attention the log-sum-exp
rounded up to 32 queries, and autocast runs some operators, such as layer norm, in float32.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.utils.checkpoint import checkpoint as recomputed

from hpml_lab.errors import InputError, unknown
from hpml_lab.memory.kernels import as_allocated
from hpml_lab.memory.meta import QuickBatchNorm, forward, without_storage
from hpml_lab.memory.optimizer_step import Step, with_optimizer
from hpml_lab.memory.timeline import Timeline
from hpml_lab.memory.trace import AllocationTracker
from hpml_lab.training.refusals import refusing

Loss = Callable[[Tensor, Tensor], Tensor]
_ATEN = torch.ops.aten


def plan_module(
    model: nn.Module,
    input_shape: tuple[int, ...],
    step: Step,
    *,
    checkpoint: Sequence[str] = (),
    channels_last: bool = False,
    loss: Loss = functional.cross_entropy,
) -> Timeline:
    """Plans a training step without running it; for the bytes counted see `memory.optimizer_step`.

    Args:
        model: Maps one float32 tensor to logits, in the mode (training or not) that its modules
            are in; with float32 parameters, each of which gets a gradient. Left unchanged.
        input_shape: Shape of one sample, without the batch.
        step: Settings of the step.
        checkpoint: Paths of the modules that are recomputed in the backward pass.
        channels_last: Whether weights and images have the channels-last memory format.
        loss: Maps logits and integer labels of shape (batch,) to a scalar.

    Raises:
        InputError: if the network does not accept such a batch (too small, or control flow depends
            on values), returns anything but one tensor, has no such block, or no trainable
            parameters.
    """
    if channels_last:
        model = without_storage(model).to(memory_format=torch.channels_last)
    trace = partial(_trace, model, input_shape, step, checkpoint, channels_last, loss)
    if step.precision == "float32" and not checkpoint and not channels_last:
        # Faster than fake tensors, with equal results unless _NeedsDeviceError is raised.
        with suppress(_NeedsDeviceError):
            return trace("meta", QuickBatchNorm())
    return trace("cpu", FakeTensorMode())


class _NeedsDeviceError(Exception):
    """Meta tensors dispatch to other operators than a device would."""


class ShapeTracker(AllocationTracker):
    """Tracks the allocations that the operators of a real device would make."""

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Runs an operator."""
        return as_allocated(func, args, super().call(func, args, kwargs))


class _MetaTracker(ShapeTracker):
    """Raises `_NeedsDeviceError` if meta tensors dispatch to other operators than a device."""

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Runs an operator."""
        if func is _ATEN._safe_softmax.default:  # unfused attention; a device has one operator
            raise _NeedsDeviceError
        return super().call(func, args, kwargs)


def _trace(
    model: nn.Module,
    input_shape: tuple[int, ...],
    step: Step,
    checkpoint: Sequence[str],
    channels_last: bool,
    loss: Loss,
    device: str,
    mode: Any,
) -> Timeline:
    order = torch.channels_last if channels_last else torch.contiguous_format
    with mode:
        twin = _twin(model, step, device, checkpoint)
        inputs = torch.empty(step.batch_size, *input_shape, device=device, memory_format=order)
        labels = torch.empty(step.batch_size, dtype=torch.long, device=device)
        tracker = (_MetaTracker if device == "meta" else ShapeTracker)(twin, "meta")
        tracker.hold([inputs, labels], "input")
        kept: list[Tensor] = []  # a step returns its loss, which stays alive during the update
        with tracker:
            for _ in range(step.accumulate):
                kept.clear()
                kept.append(_forward_and_backward(twin, inputs, labels, step, loss))
    # An optimizer keeps nothing of parameters that get no gradient.
    updated = [p.numel() for p in twin.parameters() if p.grad is not None]
    return with_optimizer(tracker.recorder.timeline(), step, updated)


def _forward_and_backward(
    model: nn.Module, inputs: Tensor, labels: Tensor, step: Step, loss: Loss
) -> Tensor:
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=step.precision == "bfloat16")
    with autocast, refusing("the loss cannot be computed from the network's logits"):
        value = loss(forward(model, inputs), labels)
    with refusing("the backward pass cannot be taken"):
        value.backward()
    return value.detach()


def _twin(model: nn.Module, step: Step, device: str, checkpoint: Sequence[str]) -> nn.Module:
    twin = without_storage(model, device)
    trained = [parameter for parameter in twin.parameters() if parameter.requires_grad]
    if not trained or any(parameter.dtype != torch.float32 for parameter in trained):
        raise InputError("the network has no float32 parameters to train")
    for parameter in trained:
        parameter.grad = torch.empty_like(parameter) if step.keep_gradients else None
    for name in checkpoint:
        block = _block(twin, name)
        block.forward = partial(recomputed, block.forward, use_reentrant=False)
    return twin


def _block(model: nn.Module, path: str) -> nn.Module:
    block, before = model, ""
    for name in path.split("."):
        children = dict(block.named_children())
        if name not in children:
            raise unknown("block", path, (before + child for child in children))
        block, before = children[name], f"{before}{name}."
    return block
