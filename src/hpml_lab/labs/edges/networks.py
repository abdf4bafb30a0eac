"""The edge lab's networks: small convolutional ones and a multilayer perceptron."""

from typing import Literal

import torch
from torch import Tensor, nn

from hpml_lab.errors import InputError, unknown
from hpml_lab.labs.edges.stripes import SIDE

Pooling = Literal["max", "average"]
POOLING: dict[str, type[nn.Module]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
NETWORKS = ("cnn", "wider", "deeper", "mlp")
_HIDDEN = (50, 10)


def edge_network(
    name: str, *, classes: int = 3, kernel: int = 7, pooling: Pooling = "max"
) -> nn.Sequential:
    """Returns a newly initialised network of the edge lab, for images (n, 1, 28, 28).

    Args:
        name: ``cnn`` (3 filters, a convolution on either side of the pooling), ``wider`` (6
            filters), ``deeper`` (two convolutions on either side), or ``mlp`` (784-50-10-classes).
        classes: number of logits.
        kernel: side of the kernels, an odd number up to 27.
        pooling: ``max`` or ``average``, 2x2.

    Raises:
        InputError: for an unknown network or pooling, or an invalid kernel size.
    """
    if name not in NETWORKS:
        raise unknown("network", name, NETWORKS)
    if name == "mlp":
        return _mlp(classes)
    if pooling not in POOLING:
        raise unknown("pooling", pooling, POOLING)
    if kernel % 2 == 0 or not 0 < kernel < SIDE:
        raise InputError(f"kernel is {kernel}; it must be an odd number from 1 to {SIDE - 1}")
    filters = 6 if name == "wider" else 3
    depth = 2 if name == "deeper" else 1
    return nn.Sequential(
        *_convolutions(1, filters, depth, kernel),
        POOLING[pooling](2),
        *_convolutions(filters, filters, depth, kernel),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(filters, classes),
    )


def _mlp(classes: int) -> nn.Sequential:
    first, second = _HIDDEN
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(SIDE * SIDE, first),
        nn.ReLU(),
        nn.Linear(first, second),
        nn.ReLU(),
        nn.Linear(second, classes),
    )


def _convolutions(inputs: int, filters: int, depth: int, kernel: int) -> list[nn.Module]:
    """Returns convolutions that keep the size of the images, each followed by a ReLU."""
    layers: list[nn.Module] = []
    for channels in (inputs, *[filters] * (depth - 1)):
        padding = (kernel - 1) // 2
        layers += [
            nn.Conv2d(channels, filters, kernel, padding=padding, padding_mode="reflect"),
            nn.ReLU(),
        ]
    return layers


def edge_detector(kernel: int = 7) -> Tensor:
    """Returns a detector (kernel, kernel) of horizontal edges: row 2 is 1, row 3 is -1, others 0.

    Its transpose detects vertical ones.
    """
    detector = torch.zeros(kernel, kernel)
    detector[2], detector[3] = 1, -1
    return detector


def set_edge_detectors(network: nn.Sequential) -> None:
    """Sets the convolutions of a ``cnn`` to edge detectors.

    The first convolution gets a horizontal and a vertical detector and keeps one random filter.
    Each filter of the second repeats that of the first on all three inputs. Biases are 0.
    """
    first, second = (layer for layer in network if isinstance(layer, nn.Conv2d))
    detector = edge_detector(first.kernel_size[0])
    with torch.no_grad():
        first.weight[0, 0], first.weight[1, 0] = detector, detector.T
        second.weight.copy_(first.weight.expand_as(second.weight))
        for layer in (first, second):
            layer.bias.zero_()  # type: ignore[union-attr]


def freeze_convolutions(network: nn.Sequential) -> None:
    """Freezes the convolutions; a ``cnn`` of 3 classes keeps 12 trainable parameters."""
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            layer.requires_grad_(False)
