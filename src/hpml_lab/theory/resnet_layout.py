"""The layers of a residual network on images of one size."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution without bias, on square images, and the batch norm behind it.

    Attributes:
        name: its module's path.
        norm: the path of the batch norm's module; empty without one.
        inputs: channels that come in.
        outputs: channels that go out.
        kernel: its side; the padding is half of it.
        stride: pixels between windows.
        side: of the image that comes in, in pixels.
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
        """The side of the image that goes out, in pixels."""
        return strided(self.side, self.stride)

    @property
    def weights(self) -> int:
        """Elements of the kernel."""
        return self.inputs * self.outputs * self.kernel**2

    @property
    def pixels_after(self) -> int:
        """Elements that go out, per image."""
        return self.outputs * self.side_after**2


@dataclass(frozen=True, slots=True)
class Block:
    """A residual block.

    Attributes:
        name: its module's path.
        convolutions: in order, ReLU behind each; behind the last one after the addition.
        projection: the 1x1 convolution on the way around, where shapes differ.
    """

    name: str
    convolutions: tuple[Convolution, ...]
    projection: Convolution | None


@dataclass(frozen=True)
class Layout:
    """A network on images of one size.

    Attributes:
        stem: the first convolution.
        pool_side: the side behind max pooling, in pixels; 0 where there is none.
        blocks: in order.
        last_side: the side in front of average pooling, in pixels.
        features: inputs of the linear layer.
        classes: its outputs.
        linear: its path.
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
    """Returns the side of an image of which each window begins `stride` pixels further."""
    return (side - 1) // stride + 1
