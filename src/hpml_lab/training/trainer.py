"""The model, optimizer and loader of one training configuration."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from hpml_lab.errors import InputError
from hpml_lab.training.backends import compiled, why_unavailable
from hpml_lab.training.cifar10 import Images
from hpml_lab.training.images import open_images
from hpml_lab.training.loader import Batch
from hpml_lab.training.networks import build_network
from hpml_lab.training.optimizers import build_optimizer
from hpml_lab.training.pipelines import first_batch, loaders
from hpml_lab.training.step import TrainingStep, autocast
from hpml_lab.training.training import MEMORY_FORMATS, Training

_OWN_THREADS = torch.get_num_threads()  # before a training has set any


class Trainer:
    """The model, optimizer and loader of one `Training`, ready for its first step.

    Args:
        training: The configuration; torch's random seed and threads are set from it.
        images: Images to use instead of ``training.data``.

    Attributes:
        training: As given.
        source: ``cifar10`` or ``generated``.
        model: Model in training mode on the device, not compiled.
        optimizer: Optimizer of its parameters.
        loader: Yields batches on the host.
        training_step: Step on batches of the loader, with the model compiled if configured.
        evaluation_loader: Yields the same images in their order, without augmentation.

    Raises:
        InputError: if the device or the data are unavailable, or the batch is larger than the data.
    """

    def __init__(self, training: Training, images: Images | None = None) -> None:
        if reason := why_unavailable(training.device):
            raise InputError(reason)
        _configure_torch(training)
        images = images or open_images(training.data)
        if training.images:
            images = images.first(training.images)
        if training.pipeline == "resident":  # without worker processes or copies
            training = replace(training, workers=0, pin_memory=False)
        self.training = training
        self.source = images.source
        self.loader: Any
        self.evaluation_loader: Any
        self.loader, self.evaluation_loader = loaders(training, images)
        model = build_network(
            training.network, width=training.width, batch_norm=training.batch_norm
        )
        self.model = model.to(memory_format=MEMORY_FORMATS[training.memory_format])
        self.model.to(training.device)
        self.optimizer = build_optimizer(
            training.optimizer,
            self.model.parameters(),
            training.optimizer_settings,
            training.learning_rate,
            training.optimizer_implementation,
        )
        self._model = compiled(self.model, training.compile_mode)
        self.training_step = self._training_step(loader=self.loader)

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
        return self.training_step.step(batch)

    def predict(self, inputs: Tensor) -> Tensor:
        """Returns the logits of inputs on the device, in evaluation mode and not compiled."""
        self.model.eval()
        with torch.no_grad(), autocast(inputs.device.type, self.training.precision):
            logits: Tensor = self.model(inputs)
        self.model.train()
        return logits

    def fixed_step(self) -> TrainingStep:
        """Returns a step on a fixed batch of the first images on the device, without loading."""
        batch = first_batch(self.loader.dataset, self.training.batch_size)
        return self._training_step(batch=self.to_device(batch))

    def _training_step(self, **batches: Any) -> TrainingStep:
        precision = self.training.precision
        return TrainingStep(
            self._model, self.optimizer, nn.functional.cross_entropy, precision=precision, **batches
        )


def _configure_torch(training: Training) -> None:
    """Sets what torch keeps for the whole process; every trainer sets all of it."""
    torch.manual_seed(training.seed)
    torch.set_num_threads(training.threads or _OWN_THREADS)
    torch.set_float32_matmul_precision(training.float32_matmul_precision)
    torch.backends.cudnn.benchmark = training.cudnn_benchmark
