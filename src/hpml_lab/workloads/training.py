"""One training configuration, and the step and the loader built from it."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from hpml_lab.errors import InputError, unknown
from hpml_lab.workloads.cifar10 import Images
from hpml_lab.workloads.compilation import MODES, compiled
from hpml_lab.workloads.devices import DEVICES, missing
from hpml_lab.workloads.images import existing_folder, open_images
from hpml_lab.workloads.loading import Batch, check_batch, training_loader
from hpml_lab.workloads.networks import LAB_WIDTH, build_network, check_network
from hpml_lab.workloads.optimizers import OPTIMIZERS, SETTINGS, build_optimizer

PRECISIONS = ("float32", "bfloat16")
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Training:
    """Everything that decides what a training run does and how fast it can be.

    Attributes:
        network: a name that `networks.build_network` knows.
        width: channels of the first stage of the CIFAR ResNet.
        batch_norm: whether the network has batch norm.
        data: ``generated``, ``download`` or a folder that holds CIFAR-10.
        images: how many training images an epoch has; 0 for all.
        batch_size: samples a step.
        drop_last: whether a last, smaller batch is left out.
        workers: loader processes besides the main one.
        persistent_workers: whether they live on from epoch to epoch.
        pin_memory: whether batches lie in page-locked memory.
        optimizer: one of `optimizers.OPTIMIZERS`.
        optimizer_settings: ``lab`` or ``default``.
        precision: ``float32``, or ``bfloat16`` for autocast.
        memory_format: ``contiguous`` or ``channels_last``.
        compile_mode: one of `compilation.MODES`.
        device: ``cpu`` or ``cuda``.
        seed: of the initial weights, the order of the images and the augmentation.

    Raises:
        InputError: for any value that is not allowed.
    """

    network: str = "resnet18-cifar"
    width: int = LAB_WIDTH
    batch_norm: bool = True
    data: str = "generated"
    images: int = 0
    batch_size: int = 128
    drop_last: bool = False
    workers: int = 2
    persistent_workers: bool = False
    pin_memory: bool = False
    optimizer: str = "sgd-momentum"
    optimizer_settings: str = "lab"
    precision: str = "float32"
    memory_format: str = "contiguous"
    compile_mode: str = "eager"
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("images", 0), ("batch_size", 1), ("workers", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} {getattr(self, name)} is too small; give {least} or more")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise unknown(name, getattr(self, name), allowed)
        if self.images:
            check_batch(self.batch_size, self.images)
        check_network(self.network, self.width, self.batch_norm)
        if self.data not in {"generated", "download"}:
            existing_folder(self.data)


_CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": OPTIMIZERS,
    "optimizer_settings": SETTINGS,
    "precision": PRECISIONS,
    "memory_format": tuple(MEMORY_FORMATS),
    "compile_mode": MODES,
    "device": DEVICES,
}


def parse_field(name: str, text: str) -> int | bool | str:
    """Returns the value of one field of `Training` from its text.

    Raises:
        InputError: for an unknown field, or a text that is not of the field's type.
    """
    kinds = {field.name: type(field.default) for field in fields(Training)}
    if name not in kinds:
        raise unknown("axis", name, kinds)
    if kinds[name] is bool:
        if text not in {"true", "false"}:
            raise InputError(f"{name} {text!r} is neither true nor false")
        return text == "true"
    if kinds[name] is str:
        return text
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{name} {text!r} is not a whole number") from None


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
        """Returns the loss before the step, a scalar on the device."""
        return self.on(self.batch)[0]

    def on(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Takes a step on another batch; returns its loss and outputs, detached."""
        inputs, targets = batch
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast(inputs.device.type):
            outputs = self.model(inputs)
            value = self.loss(outputs, targets)
        value.backward()
        self.optimizer.step()
        return value.detach(), outputs.detach()

    def _autocast(self, device: str) -> contextlib.AbstractContextManager[Any]:
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(device, torch.bfloat16)


class Trainer:
    """The model, optimizer and loader of one `Training`, ready for its first step.

    Args:
        training: what to build. Sets torch's random seed to its seed.
        images: the images to use instead of opening ``training.data``.

    Attributes:
        training: as given.
        source: ``cifar10`` or ``generated``.
        model: in training mode on the device, not compiled.
        optimizer: over its parameters.
        loader: yields batches on the host.

    Raises:
        InputError: if the device or the data cannot be had, or the batch is larger than the data.
    """

    def __init__(self, training: Training, images: Images | None = None) -> None:
        if reason := missing(training.device):
            raise InputError(reason)
        torch.manual_seed(training.seed)
        images = images or open_images(training.data)
        if training.images:
            images = images.first(training.images)
        self.training = training
        self.source = images.source
        self.loader: DataLoader[Any] = _loader(training, images)
        model = build_network(
            training.network, width=training.width, batch_norm=training.batch_norm
        )
        self.model = model.to(memory_format=MEMORY_FORMATS[training.memory_format])
        self.model.to(training.device)
        self.optimizer = build_optimizer(
            training.optimizer, self.model.parameters(), training.optimizer_settings
        )
        self._model = compiled(self.model, training.compile_mode)

    def to_device(self, batch: Batch) -> Batch:
        """Starts the copy of a batch to the device; asynchronous from pinned memory only."""
        images, labels = batch
        return (
            images.to(
                self.training.device,
                non_blocking=self.training.pin_memory,
                memory_format=MEMORY_FORMATS[self.training.memory_format],
            ),
            labels.to(self.training.device, non_blocking=self.training.pin_memory),
        )

    def step(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Takes one optimizer step on a batch on the device; returns loss and logits, detached."""
        if self.training.compile_mode != "eager":
            torch.compiler.cudagraph_mark_step_begin()
        return self._fixed(batch).on(batch)

    def fixed_step(self) -> TrainingStep:
        """Returns a step on the loader's first batch, kept on the device: no loading in it."""
        return self._fixed(self.to_device(next(iter(self.loader))))

    def _fixed(self, batch: Batch) -> TrainingStep:
        return TrainingStep(
            self._model,
            self.optimizer,
            nn.functional.cross_entropy,
            batch,
            self.training.precision,
        )


def _loader(training: Training, images: Images) -> "DataLoader[Any]":
    return training_loader(
        images,
        training.batch_size,
        workers=training.workers,
        persistent_workers=training.persistent_workers,
        pin_memory=training.pin_memory,
        drop_last=training.drop_last,
        seed=training.seed,
    )
