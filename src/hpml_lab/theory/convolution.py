"""Gradients of a convolution layer, and their moments for random images.

Source: LeCun et al. 1998, section 2; Dumoulin and Visin 2016 for padding and stride. The layer is
PyTorch's: y_ij = sum_hl x_(s i + h - p, s j + l - p) w_hl + b, a cross-correlation, so the gradient
of each weight is the cross-correlation of image and output gradient.

Shapes: x and dy either both (H, W) and (h, w), one image and one channel; or (C, H, W) and
(O, h, w); or (N, C, H, W) and (N, O, h, w). Results are float64.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hpml_lab.errors import InputError
from hpml_lab.theory.arrays import Array, Floats, Values, floats, like
from hpml_lab.theory.gradient_moments import (
    weight_gradient_covariance,
    weight_gradient_deviation,
    weight_gradient_mean,
    weight_gradient_terms,
    weight_gradient_variance,
)
from hpml_lab.theory.scalars import positive
from hpml_lab.theory.windows import Pair, pair, window_counts, windows

__all__ = [
    "bias_gradient",
    "weight_gradient",
    "weight_gradient_covariance",
    "weight_gradient_deviation",
    "weight_gradient_mean",
    "weight_gradient_terms",
    "weight_gradient_variance",
    "weights_after_sgd",
]


def weight_gradient(
    x: Array, dy: Array, *, kernel: Pair | None = None, stride: Pair = 1, padding: Pair = 0
) -> Array:
    """Returns the gradient of the weights, summed over images.

    Args:
        x: images.
        dy: the gradient of the loss by the layer's output.
        kernel: the kernel's size; needed where the stride is not 1, since several sizes then give
            the same output.
        stride: pixels between windows, one number or (vertical, horizontal).
        padding: zeros around the image, one number or (vertical, horizontal).

    Returns:
        (kh, kw) for x (H, W), else (O, C, kh, kw); of x's kind.

    Raises:
        InputError: for shapes that do not fit, values that are not finite, or a kernel that does
            not give an output of dy's size.
    """
    images, gradients = _batch("x", x), _batch("dy", dy)
    if np.ndim(x) != np.ndim(dy) or len(images) != len(gradients):
        raise InputError(
            f"dy has shape {tuple(dy.shape)}; it must have as many dimensions and images "
            f"as x {tuple(x.shape)}"
        )
    strides, around = pair("stride", stride), pair("padding", padding, 0)
    sizes = _kernel(images.shape, gradients.shape, kernel, strides, around)
    padded = np.pad(images, ((0, 0), (0, 0), (around[0],) * 2, (around[1],) * 2))
    views = windows(padded, sizes, strides)
    gradient = np.tensordot(gradients, views, axes=([0, 2, 3], [0, 2, 3]))
    return like(x, gradient[0, 0] if np.ndim(x) == 2 else gradient)


def bias_gradient(dy: Array) -> Array:
    """Returns the gradient of the bias: dy summed over images and pixels.

    Args:
        dy: the gradient of the loss by the layer's output.

    Returns:
        shape () for dy (h, w), else (O,); of dy's kind.

    Raises:
        InputError: for dy of other dimensions or not finite.
    """
    gradient = _batch("dy", dy).sum(axis=(0, 2, 3))
    return like(dy, gradient[0] if np.ndim(dy) == 2 else gradient)


def weights_after_sgd(
    weights: Array,
    images: Sequence[Array],
    gradients: Sequence[Array],
    lr: float,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
) -> Array:
    """Returns the weights after SGD steps: the first ones minus a weighted sum of image patches.

    w_T = w_0 - lr sum_t sum_ij dy_t,ij (the patch of x_t under output pixel ij).

    Args:
        weights: before the first step, (kh, kw) or (O, C, kh, kw).
        images: x of each step, one entry per step.
        gradients: dy of each step.
        lr: the learning rate.
        stride: as `weight_gradient`.
        padding: as `weight_gradient`.

    Raises:
        InputError: for lists of unlike length, lr not above 0, and as `weight_gradient`.
    """
    first, lr = floats("weights", weights, {2, 4}), positive("lr", lr)
    if len(images) != len(gradients):
        raise InputError(f"there are {len(gradients)} gradients; give one per image, {len(images)}")
    options: dict[str, Any] = {"kernel": first.shape[-2:], "stride": stride, "padding": padding}
    change = np.zeros_like(first)
    for x, dy in zip(images, gradients, strict=True):
        step = np.asarray(weight_gradient(x, dy, **options))
        if step.shape != first.shape:
            raise InputError(f"weights have shape {first.shape}; x and dy ask for {step.shape}")
        change += step
    return like(weights, first - lr * change)


def _batch(what: str, images: Values) -> Floats:
    array = floats(what, images, {2, 3, 4})
    return array.reshape((1,) * (4 - array.ndim) + array.shape)


def _kernel(
    images: tuple[int, ...],
    gradients: tuple[int, ...],
    kernel: Pair | None,
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> tuple[int, int]:
    if kernel is None and stride != (1, 1):
        raise InputError(f"kernel is not given and stride is {stride}; give the kernel's size")
    size, output = (images[2], images[3]), (gradients[2], gradients[3])
    if kernel is None:
        sides = [n + 2 * p - m + 1 for n, p, m in zip(size, padding, output, strict=True)]
        kernel = (max(sides[0], 1), max(sides[1], 1))
    sizes = pair("kernel", kernel)
    expected = window_counts(size, sizes, stride, padding)
    if output != expected:
        raise InputError(f"dy has {output} pixels; for x {size} they must be {expected}")
    return sizes
