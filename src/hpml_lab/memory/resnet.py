"""The layers of a residual network on images of one size."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hpml_lab.errors import InputError, unknown
from hpml_lab.memory import accounting
from hpml_lab.memory.accounting import Cost
from hpml_lab.theory.validation import check_int


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution without bias on square images, and the batch norm after it.

    Attributes:
        name: Path of its module.
        norm: Path of the batch norm's module; empty without one.
        inputs: Input channels.
        outputs: Output channels.
        kernel: Side of the kernel; the padding is half of it.
        stride: Pixels between windows.
        side: Side of the input image in pixels.
    """

    name: str
    norm: str
    inputs: int
    outputs: int
    kernel: int
    stride: int
    side: int

    @property
    def side_after(self) -> int:
        """Side of the output image in pixels."""
        return strided(self.side, self.stride)

    @property
    def weights(self) -> int:
        """Elements of the kernel."""
        return self.inputs * self.outputs * self.kernel**2

    @property
    def pixels_after(self) -> int:
        """Elements of the output, per image."""
        return self.outputs * self.side_after**2


@dataclass(frozen=True, slots=True)
class Block:
    """A residual block.

    Attributes:
        name: Path of its module.
        convolutions: Convolutions in order, each with a ReLU after it; for the last one after the
            addition.
        projection: The 1x1 convolution of the shortcut, if shapes differ.
    """

    name: str
    convolutions: tuple[Convolution, ...]
    projection: Convolution | None


@dataclass(frozen=True)
class Layout:
    """The layers of a network for one image size.

    Attributes:
        stem: The first convolution.
        pool_side: Side after max pooling in pixels; 0 without max pooling.
        blocks: Residual blocks in order.
        last_side: Side before average pooling in pixels.
        features: Inputs of the linear layer.
        classes: Outputs of the linear layer.
        linear: Path of the linear layer.
    """

    stem: Convolution
    pool_side: int
    blocks: tuple[Block, ...]
    last_side: int
    features: int
    classes: int
    linear: str

    @property
    def convolutions(self) -> Iterator[Convolution]:
        """All convolutions, in the order of their parameters."""
        yield self.stem
        for block in self.blocks:
            yield from block.convolutions
            if block.projection is not None:
                yield block.projection

    @property
    def parameter_sizes(self) -> list[int]:
        """Elements of each parameter tensor, in the modules' order."""
        sizes = []
        for layer in self.convolutions:
            sizes.append(layer.weights)
            sizes += [layer.outputs] * 2 if layer.norm else []
        return [*sizes, self.features * self.classes, self.classes]


def strided(side: int, stride: int) -> int:
    """Returns the side of an output image for windows `stride` pixels apart."""
    return (side - 1) // stride + 1


_CIFAR_SIDES = range(25, 57)  # three stages halve it, and one window of 4x4 is pooled at the end
_EXPANSION = {"basic": 1, "bottleneck": 4}


class _Names(NamedTuple):
    """Names of the modules of a family."""

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
        depths: Number of blocks in each of the four stages.
        width: Channels of the first stage; the stages have 1, 2, 4 and 8 times as many.
        classes: Outputs of the linear layer.
        norm: Whether a batch norm follows each convolution.

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
            check_int(what, value, 1)
        for depth in self.depths:
            check_int("a stage's depth", depth, 1)

    def layout(self, image: int) -> Layout:
        """Returns the layers for square images.

        Args:
            image: Side of the images in pixels; 25 to 56 with the CIFAR stem, so that one window
                of 4x4 remains.

        Raises:
            InputError: for another image size.
        """
        names, cifar = _NAMES[self.stem], self.stem == "cifar"
        if cifar and check_int("image", image) not in _CIFAR_SIDES:
            raise InputError(f"image is {image}; it must be from 25 to 56 pixels")
        shape = (3, self.width, 3, 1) if cifar else (3, self.width, 7, 2)
        stem = self._convolution(names.convolution, names.norm, shape, check_int("image", image, 1))
        pool_side = 0 if cifar else strided(stem.side_after, 2)
        blocks = tuple(self._blocks(pool_side or stem.side_after))
        last = blocks[-1].convolutions[-1]
        return Layout(
            stem, pool_side, blocks, last.side_after, last.outputs, self.classes, names.linear
        )

    def cost(self, image: int) -> Cost:
        """Returns the cost of the network for one image, forward and backward.

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
