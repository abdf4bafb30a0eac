"""Training of one configuration of the edge lab, for any number of seeds."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hpml_lab.errors import InputError
from hpml_lab.labs.edges.ensemble import Ensemble, cross_entropy
from hpml_lab.labs.edges.networks import (
    Pooling,
    edge_network,
    freeze_convolutions,
    set_edge_detectors,
)
from hpml_lab.labs.edges.stripes import Generator, Part, edge_images, fixed_order, place
from hpml_lab.training.backends import why_unavailable
from hpml_lab.training.optimizers import build_optimizer

VALIDATION = 50  # images of each class


@dataclass(frozen=True, kw_only=True)
class EdgeTraining:
    """Configuration of a training of the edge lab: all settings but the seed.

    Attributes:
        network: one of `networks.NETWORKS`.
        kernel: side of the kernels in pixels.
        pooling: ``max`` or ``average``.
        detectors: whether the convolutions start as edge detectors instead of random kernels.
        frozen: whether the convolutions are not trained.
        generator: year of the images' generator, 2023 or 2025.
        classes: 3 or 5.
        per_class: number of training images of each class.
        shifted: whether stripes are in one half for training and in the other for validation.
        permuted: whether the pixels of all images are permuted, in one order for each seed.
        optimizer: one of `optimizers.OPTIMIZERS`, with its defaults but for the learning rate.
        learning_rate: the optimizer's learning rate.
        batch_size: images of a step.
        epochs: number of epochs.
    """

    network: str = "cnn"
    kernel: int = 7
    pooling: Pooling = "max"
    detectors: bool = False
    frozen: bool = False
    generator: Generator = 2023
    classes: int = 3
    per_class: int = 20
    shifted: bool = False
    permuted: bool = False
    optimizer: str = "sgd-momentum"
    learning_rate: float = 1e-2
    batch_size: int = 10
    epochs: int = 300

    def build(self, seed: int) -> nn.Sequential:
        """Returns the newly initialised network of a seed; torch's global seed is unchanged."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = edge_network(
                self.network, classes=self.classes, kernel=self.kernel, pooling=self.pooling
            )
        if self.detectors:
            set_edge_detectors(network)
        if self.frozen:
            freeze_convolutions(network)
        return network

    def training_images(self, seed: int) -> tuple[Tensor, Tensor]:
        """Returns the training images of a seed and their labels; see `edge_images`."""
        return self._images(seed, 2 * seed, "near", self.per_class)

    def validation_images(self, seed: int) -> tuple[Tensor, Tensor]:
        """Returns the validation images of a seed and their labels."""
        return self._images(seed, 2 * seed + 1, "far", VALIDATION)

    def _images(self, seed: int, drawn: int, half: Part, per_class: int) -> tuple[Tensor, Tensor]:
        where = place(self.generator, half if self.shifted else "everywhere")
        order = fixed_order(seed) if self.permuted else None
        return edge_images(where, self.classes, per_class, drawn, order)


_SETTINGS = "default"  # of the optimizers; the lab adds no weight decay


class EdgeTrainer:
    """Networks of one configuration, one for each seed, with their images and optimizer.

    Args:
        training: the configuration.
        seeds: one for each member; decides its weights, its images and their order.
        device: the device to train on.

    Attributes:
        networks: the ensemble of all members.
        training_images: (seeds, n, 1, 28, 28) and labels (seeds, n).

    Raises:
        InputError: if the device is not available.
    """

    def __init__(self, training: EdgeTraining, seeds: Sequence[int], device: str = "cpu") -> None:
        if reason := why_unavailable(device):
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
        """Validation images (seeds, n, 1, 28, 28) and labels (seeds, n)."""
        return self._stacked([self.training.validation_images(seed) for seed in self.seeds])

    def _stacked(self, drawn: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        images, labels = (
            torch.stack(tensors).to(self.device) for tensors in zip(*drawn, strict=True)
        )
        return images, labels

    def train(self, epochs: int) -> None:
        """Trains for a number of additional epochs, each member in its own order of images."""
        images, labels = self.training_images
        for _ in range(epochs):
            drawn = [torch.randperm(labels.shape[1], generator=order) for order in self._orders]
            order = torch.stack(drawn).to(self.device)
            batches = (
                tensor[self._members, order].split(self.training.batch_size, 1)
                for tensor in (images, labels)
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

    With TF32 a member of an ensemble differs by 1e-3 from the network trained alone, and
    convolutions of three filters are no faster.
    """
    convolutions: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = convolutions.fp32_precision
    convolutions.fp32_precision = "ieee"
    try:
        yield
    finally:
        convolutions.fp32_precision = before


def order_of(seed: int) -> torch.Generator:
    """Returns the generator of a seed's image order, on the host: equal for every device."""
    return torch.Generator().manual_seed(seed)


def train_alone(training: EdgeTraining, seed: int, epochs: int) -> nn.Sequential:
    """Returns the network of one seed, trained on the host without an ensemble.

    To rounding, it equals that member of an `EdgeTrainer`.
    """
    network = training.build(seed)
    images, labels = training.training_images(seed)
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = build_optimizer(training.optimizer, trainable, _SETTINGS, training.learning_rate)
    order = order_of(seed)
    for _ in range(epochs):
        for batch in torch.randperm(len(labels), generator=order).split(training.batch_size):
            optimizer.zero_grad()
            functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
    return network
