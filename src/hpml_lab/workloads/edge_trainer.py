"""Training of the edge lab's networks: all seeds at once, or one alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hpml_lab.errors import InputError
from hpml_lab.workloads.devices import missing
from hpml_lab.workloads.edge_training import EdgeTraining
from hpml_lab.workloads.ensemble import Ensemble, cross_entropy
from hpml_lab.workloads.optimizers import build_optimizer

_SETTINGS = "default"  # of the optimizers; the lab adds no weight decay


class EdgeTrainer:
    """Networks of one configuration, one for each seed, with their images and optimizer.

    Args:
        training: the configuration.
        seeds: each decides a member's weights, images, and their order in every epoch.
        device: where to train.

    Attributes:
        networks: the members.
        training_images: (seeds, n, 1, 28, 28) and labels (seeds, n).

    Raises:
        InputError: if the device cannot be had.
    """

    def __init__(self, training: EdgeTraining, seeds: Sequence[int], device: str = "cpu") -> None:
        if reason := missing(device):
            raise InputError(reason)
        self.training, self.seeds, self.device = training, list(seeds), device
        self.networks = Ensemble([training.build(seed) for seed in seeds], device)
        self.training_images = self._stacked([training.training_images(s) for s in seeds])
        self._optimizer = build_optimizer(
            training.optimizer, self.networks.trainable, _SETTINGS, training.learning_rate
        )
        self._orders = [order_of(seed) for seed in seeds]
        self._members = torch.arange(len(seeds), device=device)[:, None]

    @cached_property
    def validation_images(self) -> tuple[Tensor, Tensor]:
        """Images (seeds, n, 1, 28, 28) that are not trained on, and labels (seeds, n)."""
        return self._stacked([self.training.validation_images(seed) for seed in self.seeds])

    def _stacked(self, drawn: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        images, labels = (torch.stack(of).to(self.device) for of in zip(*drawn, strict=True))
        return images, labels

    def train(self, epochs: int) -> None:
        """Trains for some epochs more, every member in an order of its own."""
        images, labels = self.training_images
        for _ in range(epochs):
            drawn = [torch.randperm(labels.shape[1], generator=order) for order in self._orders]
            order = torch.stack(drawn).to(self.device)
            batches = (
                of[self._members, order].split(self.training.batch_size, 1)
                for of in (images, labels)
            )
            with exact_convolutions():
                for batch in zip(*batches, strict=True):
                    self._step(*batch)

    def _step(self, images: Tensor, labels: Tensor) -> None:
        self._optimizer.zero_grad()
        cross_entropy(self.networks(images), labels).sum().backward()
        self._optimizer.step()


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """A context in which cuDNN does not round the inputs of float32 convolutions to TF32.

    With it a member of an ensemble is 1e-3 off the network that was trained alone; three filters
    are no faster with it.
    """
    convolutions: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = convolutions.fp32_precision
    convolutions.fp32_precision = "ieee"
    try:
        yield
    finally:
        convolutions.fp32_precision = before


def order_of(seed: int) -> torch.Generator:
    """Returns what draws the order of a seed's images, on the host: the same for every device."""
    return torch.Generator().manual_seed(seed)


def train_alone(training: EdgeTraining, seed: int, epochs: int) -> nn.Sequential:
    """Returns the network of one seed, trained on the host without an ensemble.

    It is what that member of an `EdgeTrainer` is, to rounding.
    """
    network = training.build(seed)
    images, labels = training.training_images(seed)
    learnt = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = build_optimizer(training.optimizer, learnt, _SETTINGS, training.learning_rate)
    order = order_of(seed)
    for _ in range(epochs):
        for batch in torch.randperm(len(labels), generator=order).split(training.batch_size):
            optimizer.zero_grad()
            functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
    return network
