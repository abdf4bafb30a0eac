"""One optimizer step on one fixed batch."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hpml_lab.workloads.loading import Batch

Loss = Callable[[Tensor, Tensor], Tensor]


def autocast(device: str, precision: str) -> contextlib.AbstractContextManager[Any]:
    """Returns the context of a forward pass in ``float32`` or, by autocast, ``bfloat16``."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device, torch.bfloat16)


@dataclass
class TrainingStep:
    """One optimizer step on one fixed batch, callable without arguments.

    Attributes:
        model: maps the batch's inputs to what the loss takes.
        optimizer: over the model's parameters.
        loss: maps outputs and targets to a scalar.
        batch: inputs and targets, on the model's device.
        precision: ``float32``, or ``bfloat16`` for autocast.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    batch: Batch
    precision: str = "float32"

    @property
    def samples(self) -> int:
        """Samples in the batch."""
        return len(self.batch[0])

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``, where the batch lies."""
        return self.batch[0].device.type

    def __call__(self) -> Tensor:
        """Returns the loss before the step, a scalar on the device; lets the outputs go at once."""
        inputs, targets = self.batch
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(inputs.device.type, self.precision):
            value = self.loss(self.model(inputs), targets)
        return self._descend(value)

    def on(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Takes a step on another batch; returns its loss and outputs, detached."""
        inputs, targets = batch
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(inputs.device.type, self.precision):
            outputs = self.model(inputs)
            value = self.loss(outputs, targets)
        return self._descend(value), outputs.detach()

    def _descend(self, value: Tensor) -> Tensor:
        value.backward()
        self.optimizer.step()
        return value.detach()
