"""Residual networks layer by layer: the lab's ResNet-18 for CIFAR-10 and those for ImageNet.

Source: He et al. 2016, table 1 and section 3.3 (ImageNet: 7x7 stem of stride 2, max pooling, four
stages, global average pooling), section 4.2 (CIFAR-10: 3x3 stem of stride 1, no max pooling; the
lab ends in 4x4 average pooling). Bottleneck blocks have their stride in the 3x3 convolution.
Names of layers are those of the modules in `workloads.networks` and in torchvision.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hpml_lab.errors import InputError, unknown
from hpml_lab.theory import accounting
from hpml_lab.theory.accounting import Cost
from hpml_lab.theory.resnet_layout import Block, Convolution, Layout, strided
from hpml_lab.theory.scalars import whole

_CIFAR_SIDES = range(25, 57)  # three stages halve it, and one window of 4x4 is pooled at the end
_EXPANSION = {"basic": 1, "bottleneck": 4}


class _Names(NamedTuple):
    """What the modules of a family are called."""

    convolution: str
    norm: str
    block: str
    number: str
    projection: str
    linear: str


_NAMES = {
    "cifar": _Names("conv", "norm", "stages.{stage}.{index}", "norm{}", "shortcut", "linear"),
    "imagenet": _Names("conv1", "bn1", "layer{number}.{index}", "bn{}", "downsample", "fc"),
}


@dataclass(frozen=True)
class ResNet:
    """A residual network.

    Attributes:
        stem: ``cifar`` or ``imagenet``.
        block: ``basic`` (two 3x3) or ``bottleneck`` (1x1, 3x3, 1x1 with four times the channels).
        depths: blocks in each of the four stages.
        width: channels of the first stage; the stages have 1, 2, 4 and 8 times as many.
        classes: outputs of the linear layer.
        norm: whether a batch norm follows each convolution.

    Raises:
        InputError: for an unknown stem or block, or a number below 1.
    """

    stem: str = "cifar"
    block: str = "basic"
    depths: tuple[int, int, int, int] = (2, 2, 2, 2)
    width: int = 64
    classes: int = 10
    norm: bool = True

    def __post_init__(self) -> None:
        if self.stem not in _NAMES:
            raise unknown("stem", self.stem, _NAMES)
        if self.block not in _EXPANSION:
            raise unknown("block", self.block, _EXPANSION)
        for what, value in (("width", self.width), ("classes", self.classes)):
            whole(what, value, 1)
        for depth in self.depths:
            whole("a stage's depth", depth, 1)

    def layout(self, image: int) -> Layout:
        """Returns the layers for square images.

        Args:
            image: their side in pixels; the CIFAR stem takes 25 to 56, so that one window of 4x4
                is left.

        Raises:
            InputError: for an image of another size.
        """
        names, cifar = _NAMES[self.stem], self.stem == "cifar"
        if cifar and whole("image", image) not in _CIFAR_SIDES:
            raise InputError(f"image is {image}; it must be from 25 to 56 pixels")
        shape = (3, self.width, 3, 1) if cifar else (3, self.width, 7, 2)
        stem = self._convolution(names.convolution, names.norm, shape, whole("image", image, 1))
        pool_side = 0 if cifar else strided(stem.side_after, 2)
        blocks = tuple(self._blocks(pool_side or stem.side_after))
        last = blocks[-1].convolutions[-1]
        return Layout(
            stem, pool_side, blocks, last.side_after, last.outputs, self.classes, names.linear
        )

    def cost(self, image: int) -> Cost:
        """Returns the cost of one image through the network and back, and its parameters.

        Raises:
            InputError: as `layout`.
        """
        layout = self.layout(image)
        total = accounting.linear(layout.features, layout.classes)
        for layer in layout.convolutions:
            total += _cost(layer, first=layer is layout.stem)
        if layout.pool_side:
            padded = layout.stem.side_after + 2
            total += accounting.pooling("max", self.width, 3, padded, stride=2)
        window = 4 if self.stem == "cifar" else layout.last_side
        return total + accounting.pooling("average", layout.features, window, layout.last_side)

    def _blocks(self, side: int) -> Iterator[Block]:
        channels = self.width
        for stage, depth in enumerate(self.depths):
            for index in range(depth):
                name = _NAMES[self.stem].block.format(stage=stage, number=stage + 1, index=index)
                stride = 2 if stage and not index else 1
                block = self._block(name, channels, self.width * 2**stage, stride, side)
                yield block
                channels, side = block.convolutions[-1].outputs, block.convolutions[-1].side_after

    def _block(self, name: str, inputs: int, planes: int, stride: int, side: int) -> Block:
        names = _NAMES[self.stem]
        outputs = planes * _EXPANSION[self.block]
        layers, after = [], side
        for number, shape in enumerate(self._shapes(inputs, planes, stride), 1):
            norm = f"{name}.{names.number.format(number)}"
            layers.append(self._convolution(f"{name}.conv{number}", norm, shape, after))
            after = layers[-1].side_after
        projection = None
        if stride != 1 or inputs != outputs:
            way = f"{name}.{names.projection}"
            projection = self._convolution(
                f"{way}.0", f"{way}.1", (inputs, outputs, 1, stride), side
            )
        return Block(name, tuple(layers), projection)

    def _shapes(self, inputs: int, planes: int, stride: int) -> list[tuple[int, int, int, int]]:
        if self.block == "basic":
            return [(inputs, planes, 3, stride), (planes, planes, 3, 1)]
        return [(inputs, planes, 1, 1), (planes, planes, 3, stride), (planes, 4 * planes, 1, 1)]

    def _convolution(
        self, name: str, norm: str, shape: tuple[int, int, int, int], side: int
    ) -> Convolution:
        return Convolution(name, norm if self.norm else "", *shape, side)


RESNETS = {
    "resnet18-cifar": ResNet(),
    "resnet18": ResNet("imagenet", "basic", (2, 2, 2, 2), classes=1000),
    "resnet34": ResNet("imagenet", "basic", (3, 4, 6, 3), classes=1000),
    "resnet50": ResNet("imagenet", "bottleneck", (3, 4, 6, 3), classes=1000),
    "resnet101": ResNet("imagenet", "bottleneck", (3, 4, 23, 3), classes=1000),
    "resnet152": ResNet("imagenet", "bottleneck", (3, 8, 36, 3), classes=1000),
}


def _cost(layer: Convolution, *, first: bool) -> Cost:
    cost = accounting.convolution(
        layer.inputs,
        layer.outputs,
        layer.kernel,
        layer.side,
        stride=layer.stride,
        padding=layer.kernel // 2,
        first=first,
    )
    return cost + accounting.batch_norm(layer.outputs, layer.side_after) if layer.norm else cost
