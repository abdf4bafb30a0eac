"""The cost of the lab's ResNet-18 for CIFAR-10, added up layer by layer.

Source: He et al. 2016, section 4.2 and table 1, with a 3x3 stride-1 stem, no max pooling and a 4x4
average pooling at the end.
"""

from hpml_lab.errors import InputError
from hpml_lab.theory.accounting import Cost, batch_norm, convolution, linear, pooling
from hpml_lab.theory.scalars import whole

_SIDES = range(25, 57)  # three stages halve it, and one window of 4x4 is pooled at the end
_STAGES = (1, 2, 4, 8)


def cifar_resnet18(
    width: int = 64, classes: int = 10, image: int = 32, *, norm: bool = True
) -> Cost:
    """Returns the cost of one image through the network and back, and its parameters.

    Args:
        width: channels of the first stage; the stages have 1, 2, 4 and 8 times as many.
        classes: outputs of the linear layer.
        image: the side of the image in pixels, 25 to 56, so that one window of 4x4 is left.
        norm: whether a batch norm follows each convolution.

    Raises:
        InputError: for a width or classes below 1, or an image of another size.
    """
    width, classes = whole("width", width, 1), whole("classes", classes, 1)
    if whole("image", image) not in _SIDES:
        raise InputError(f"image is {image}; it must be from 25 to 56 pixels")
    total = _unit(3, width, 3, image, 1, norm, first=True)
    channels, side = width, image
    for scale in _STAGES:
        block, side = _stage(channels, scale * width, side, norm)
        channels = scale * width
        total += block
    return total + pooling("average", channels, 4, side) + linear(channels, classes)


def _stage(inputs: int, outputs: int, side: int, norm: bool) -> tuple[Cost, int]:
    stride = 1 if inputs == outputs else 2
    after = (side - 1) // stride + 1
    total = _unit(inputs, outputs, 3, side, stride, norm)
    if stride == 2:
        total += _unit(inputs, outputs, 1, side, stride, norm)
    for _ in range(3):
        total += _unit(outputs, outputs, 3, after, 1, norm)
    return total, after


def _unit(
    inputs: int, outputs: int, kernel: int, side: int, stride: int, norm: bool, first: bool = False
) -> Cost:
    after = (side - 1) // stride + 1
    cost = convolution(
        inputs, outputs, kernel, side, stride=stride, padding=kernel // 2, first=first
    )
    return cost + batch_norm(outputs, after) if norm else cost
