"""One configuration of the edge lab, for any number of seeds."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hpml_lab.workloads.edge_networks import (
    Pooling,
    edge_network,
    freeze_convolutions,
    set_edge_detectors,
)
from hpml_lab.workloads.edges import Generator, Part, edge_images, fixed_order, place

VALIDATION = 50  # images of each class


@dataclass(frozen=True, kw_only=True)
class EdgeTraining:
    """Everything that decides what a network of the edge lab learns, but its seed.

    Attributes:
        network: one of `edge_networks.NETWORKS`.
        kernel: side of its kernels in pixels.
        pooling: ``max`` or ``average``.
        detectors: whether its convolutions start as edge detectors, in place of random kernels.
        frozen: whether its convolutions are not trained.
        generator: year of the images' generator, 2023 or 2025.
        classes: 3 or 5.
        per_class: training images of each class.
        shifted: whether stripes are in one half for training and in the other for validation.
        permuted: whether the pixels of all images are in another order, one for each seed.
        optimizer: one of `optimizers.OPTIMIZERS`, but for the learning rate with its own defaults.
        learning_rate: of the optimizer.
        batch_size: images of a step.
        epochs: how often all training images are seen.
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
        """Returns the freshly initialised network of a seed; torch's own seed stays as it is."""
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
        """Returns the images that a seed is trained on, and their labels; see `edge_images`."""
        return self._images(seed, 2 * seed, "near", self.per_class)

    def validation_images(self, seed: int) -> tuple[Tensor, Tensor]:
        """Returns images that a seed is not trained on, and their labels."""
        return self._images(seed, 2 * seed + 1, "far", VALIDATION)

    def _images(self, seed: int, drawn: int, half: Part, per_class: int) -> tuple[Tensor, Tensor]:
        where = place(self.generator, half if self.shifted else "everywhere")
        order = fixed_order(seed) if self.permuted else None
        return edge_images(where, self.classes, per_class, drawn, order)
