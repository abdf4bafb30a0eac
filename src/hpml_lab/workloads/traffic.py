"""The operators of a training step and the bytes that they must move, counted without running it.

Each operator that launches work reads every tensor it is given once and writes every tensor it
returns once, as an eager kernel without a cache would. Views and empty tensors launch nothing.
Counted are forward, loss and backward; the optimizer is not.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from hpml_lab.workloads.operators import OperatorCounter
from hpml_lab.workloads.storageless import forward, refusing, without_storage

Loss = Callable[[Tensor, Tensor], Tensor]
_BATCHES = (2, 4)  # batch norm needs two values a channel


@dataclass(frozen=True)
class Traffic:
    """What forward, loss and backward of a step dispatch and move; a line in the batch.

    Attributes:
        operators: how many launch work, whatever the batch.
        per_sample_bytes: read and written for each sample.
        per_step_bytes: read and written once a step: weights and their gradients.
    """

    operators: int
    per_sample_bytes: int
    per_step_bytes: int


def traffic(
    model: nn.Module,
    input_shape: tuple[int, ...],
    precision: str = "float32",
    loss: Loss = functional.cross_entropy,
) -> Traffic:
    """Counts a network in training mode; the network itself is left as it was.

    Args:
        model: any module that maps one tensor, of its parameters' dtype, to logits (N, classes).
        input_shape: shape of one sample, without the batch.
        precision: ``float32``, or ``bfloat16`` for autocast, whose casts are counted too.
        loss: maps logits and whole-number labels of shape (N,) to a scalar.

    Raises:
        InputError: if the network cannot take such an input, or the loss its logits.
    """
    few, many = (_count(model, (batch, *input_shape), precision, loss) for batch in _BATCHES)
    per_sample = (many.moved_bytes - few.moved_bytes) // (_BATCHES[1] - _BATCHES[0])
    return Traffic(few.operators, per_sample, few.moved_bytes - _BATCHES[0] * per_sample)


def _count(model: nn.Module, shape: tuple[int, ...], precision: str, loss: Loss) -> OperatorCounter:
    low = precision == "bfloat16"
    # Autocast does nothing on meta tensors; fake ones are slower, but have a device.
    device, mode = ("cpu", FakeTensorMode()) if low else ("meta", nullcontext())
    counter = OperatorCounter()
    with mode:
        twin = without_storage(model, device).train()
        dtype = next((p.dtype for p in twin.parameters()), torch.float32)
        inputs = torch.empty(shape, device=device, dtype=dtype)
        labels = torch.zeros(shape[0], dtype=torch.long, device=device)
        with counter:
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                logits = forward(twin, inputs)
                with refusing("the loss cannot be computed from the network's logits"):
                    value = loss(logits, labels)
            value.backward()
    return counter
