"""Parameters and floating-point operations of layers, by formula; a multiply-add counts as 2.

`forward_flops` and `backward_flops` are those of matrix products alone (convolutions and linear
layers), the convention of He et al. 2016, table 1, doubled; adding a bias is not counted. The
backward pass has two such products, one for the gradient of the weights and one for that of the
input, each as large as the forward one; the first layer of a network needs no gradient of its
input. Elementwise operations of batch norm and pooling are counted separately, in `elementwise_*`.
FLOP are per image (batch norm: its share of the batch).
"""

import math
from dataclasses import dataclass, fields

from hpml_lab.errors import InputError, unknown
from hpml_lab.theory.validation import check_int
from hpml_lab.theory.windows import Pair, pair, window_counts


@dataclass(frozen=True)
class Cost:
    """Parameters, buffers and FLOP of a layer or a network; costs add up with ``+``.

    Attributes:
        parameters: Trainable elements.
        tensors: Number of parameter tensors.
        buffers: Elements of buffers, including batch norm's counter.
        forward_flops: Multiply-adds of the forward matrix product, times 2, per image.
        backward_flops: Multiply-adds of the backward matrix products, times 2, per image.
        elementwise_forward_flops: Additions and multiplications of batch norm and pooling
            (a comparison of max pooling counts as one).
        elementwise_backward_flops: Those of the backward pass.
    """

    parameters: int = 0
    tensors: int = 0
    buffers: int = 0
    forward_flops: int = 0
    backward_flops: int = 0
    elementwise_forward_flops: int = 0
    elementwise_backward_flops: int = 0

    @property
    def gradients(self) -> int:
        """Gradient elements after a backward pass: one per parameter."""
        return self.parameters

    @property
    def flops(self) -> int:
        """FLOP of matrix products, forward and backward, per image."""
        return self.forward_flops + self.backward_flops

    def __add__(self, other: "Cost") -> "Cost":
        names = [field.name for field in fields(self)]
        return Cost(*(getattr(self, name) + getattr(other, name) for name in names))


def convolution(
    inputs: int,
    outputs: int,
    kernel: Pair,
    image: Pair,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    groups: int = 1,
    bias: bool = False,
    first: bool = False,
) -> Cost:
    """Returns the cost of a convolution.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Kernel size, one number or (vertical, horizontal).
        image: Size of the input image in pixels.
        stride: Pixels between windows.
        padding: Zeros around the image.
        groups: Groups of input and output channels.
        bias: Whether each output channel has a bias.
        first: Whether the input needs no gradient.

    Raises:
        InputError: for a size below 1, negative padding, a kernel larger than the padded image, or
            channels that groups do not divide.
    """
    inputs, outputs = check_int("inputs", inputs, 1), check_int("outputs", outputs, 1)
    if inputs % check_int("groups", groups, 1) or outputs % groups:
        raise InputError(f"groups is {groups}; it must divide {inputs} and {outputs} channels")
    sizes = pair("kernel", kernel)
    pixels = window_counts(
        pair("image", image), sizes, pair("stride", stride), pair("padding", padding, 0)
    )
    weights = outputs * (inputs // groups) * math.prod(sizes)
    return _product(weights, math.prod(pixels), bias * outputs, first)


def linear(inputs: int, outputs: int, *, bias: bool = True, first: bool = False) -> Cost:
    """Returns the cost of a linear layer; arguments as `convolution`.

    Raises:
        InputError: for a size below 1.
    """
    weights = check_int("inputs", inputs, 1) * check_int("outputs", outputs, 1)
    return _product(weights, 1, bias * outputs, first)


def batch_norm(channels: int, image: Pair) -> Cost:
    """Returns the cost of a batch norm in training, with scale and shift and running statistics.

    Ioffe and Szegedy 2015, algorithm 1, per element: one addition for the mean; a subtraction, a
    multiplication and an addition for the variance; a multiplication to normalise; two for scale
    and shift. Backward, their section 3 with the normalised input kept: three for the gradients of
    scale and shift; a subtraction, a multiply-add and a multiplication for that of the input.
    Operations per channel are left out.

    Args:
        channels: Channels of the image.
        image: Size of the image, one number or (vertical, horizontal).

    Raises:
        InputError: for a size below 1.
    """
    elements = check_int("channels", channels, 1) * math.prod(pair("image", image))
    return Cost(
        parameters=2 * channels,
        tensors=2,
        buffers=2 * channels + 1,
        elementwise_forward_flops=7 * elements,
        elementwise_backward_flops=7 * elements,
    )


def pooling(
    kind: str, channels: int, kernel: Pair, image: Pair, *, stride: Pair | None = None
) -> Cost:
    """Returns the cost of a pooling layer.

    Forward, per output and kernel of a pixels: max compares a - 1 times; average adds a - 1 times
    and divides. Backward, into zeros: max adds once; average divides and adds a times.

    Args:
        kind: ``max`` or ``average``.
        channels: Channels of the image.
        kernel: Window size, one number or (vertical, horizontal).
        image: Size of the input image in pixels.
        stride: Pixels between windows; the kernel size by default.

    Raises:
        InputError: for an unknown kind, a size below 1 or a kernel larger than the image.
    """
    if kind not in {"max", "average"}:
        raise unknown("pooling", kind, ("max", "average"))
    sizes = pair("kernel", kernel)
    strides = sizes if stride is None else pair("stride", stride)
    pixels = math.prod(window_counts(pair("image", image), sizes, strides))
    outputs, area = check_int("channels", channels, 1) * pixels, math.prod(sizes)
    forward, backward = (area - 1, 1) if kind == "max" else (area, area + 1)
    return Cost(
        elementwise_forward_flops=forward * outputs,
        elementwise_backward_flops=backward * outputs,
    )


def _product(weights: int, uses: int, biases: int, first: bool) -> Cost:
    flops = 2 * weights * uses
    return Cost(
        parameters=weights + biases,
        tensors=1 + (biases > 0),
        forward_flops=flops,
        backward_flops=flops if first else 2 * flops,
    )
