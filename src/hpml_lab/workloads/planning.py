"""The memory of a training step of any network, traced on tensors without storage.

Forward, loss and backward run operator by operator on shapes alone, so what autograd saves is
noticed and not modelled; the optimizer's step is a closed form. The operators are those of the
CPU. A GPU's kernels are expected to keep something else in places, which is not measured yet:
dropout a mask of one byte an element (a CPU one of the input's dtype), attention the log-sum-exp
rounded up to 32 queries, and autocast runs some operators, layer norm among them, in float32.
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
from hpml_lab.theory.memory import Step, with_optimizer
from hpml_lab.theory.timeline import Timeline
from hpml_lab.workloads.allocations import AllocationTracker
from hpml_lab.workloads.kernels import as_allocated
from hpml_lab.workloads.meta import QuickBatchNorm
from hpml_lab.workloads.storageless import forward, refusing, without_storage

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
    """Plans a training step without running it; what is counted: see `theory.memory`.

    Args:
        model: maps one float32 tensor to logits, in the mode (training or not) that its modules
            are in; with float32 parameters, each of which gets a gradient. It is left as it was.
        input_shape: shape of one sample, without the batch.
        step: how the step is taken.
        checkpoint: paths of the modules that are recomputed in the backward pass instead of kept.
        channels_last: whether weights and images lie in memory channel by channel.
        loss: maps logits and whole-number labels of shape (batch,) to a scalar.

    Raises:
        InputError: if the network cannot take such a batch (it is too small, say, or it decides by
            values), gives anything but one tensor, or has no such block or nothing to train.
    """
    if channels_last:
        model = without_storage(model).to(memory_format=torch.channels_last)
    trace = partial(_trace, model, input_shape, step, checkpoint, channels_last, loss)
    if step.dtype == "float32" and not checkpoint and not channels_last:
        # Faster than fake tensors, and the same but for these.
        with suppress(_NeedsDeviceError):
            return trace("meta", QuickBatchNorm())
    return trace("cpu", FakeTensorMode())


class _NeedsDeviceError(Exception):
    """Meta tensors do not choose the operators that a device would."""


class ShapeTracker(AllocationTracker):
    """Notes what the operators of a device would allocate, where those without storage differ."""

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Runs an operator."""
        return as_allocated(func, args, super().call(func, args, kwargs))


class _MetaTracker(ShapeTracker):
    """Gives up where meta tensors do not choose the operators that a device would."""

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Runs an operator."""
        if func is _ATEN._safe_softmax.default:  # attention spelled out; a device has one operator
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
        inputs = torch.empty(step.batch, *input_shape, device=device, memory_format=order)
        labels = torch.empty(step.batch, dtype=torch.long, device=device)
        tracker = (_MetaTracker if device == "meta" else ShapeTracker)(twin, "meta")
        tracker.hold([inputs, labels], "input")
        kept: list[Tensor] = []  # a step returns its loss, which is alive in the update
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
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=step.dtype == "bfloat16")
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
