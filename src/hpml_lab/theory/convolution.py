"""Weight and bias gradients of a convolution, and their moments over random inputs.

All x_ij and dy_ij are independent with mean 0 and standard deviations sigma_x and sigma_g, of any
distribution. The terms of one entry are pairwise uncorrelated, because each has a different dy_ij;
two entries are uncorrelated, because for one dy_ij they have different pixels. Compare Glorot and
Bengio 2010, section 4.2.1, where the same argument gives the variance of a layer.

Square images of side n, square kernels of side k, one channel.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hpml_lab.errors import InputError
from hpml_lab.theory.arrays import Array, Floats, Values, floats, like
from hpml_lab.theory.validation import check_int, check_not_negative, check_positive
from hpml_lab.theory.windows import Pair, pair, window_count, window_counts, windows


def weight_gradient_variance(n: int, k: int, sigma_x: float, sigma_g: float) -> float:
    """Returns the variance of each weight gradient, (n - k + 1)^2 sigma_x^2 sigma_g^2.

    One image, no padding, stride 1; otherwise entries differ, see `weight_gradient_covariance`.

    Args:
        n: Side of the image in pixels.
        k: Side of the kernel in pixels, at most n.
        sigma_x: Standard deviation of a pixel.
        sigma_g: Standard deviation of an output gradient.

    Raises:
        InputError: for sides below 1, k above n, or a deviation that is negative or not finite.
    """
    return weight_gradient_deviation(n, k, sigma_x, sigma_g) ** 2


def weight_gradient_deviation(n: int, k: int, sigma_x: float, sigma_g: float) -> float:
    """Returns the standard deviation of each weight gradient, (n - k + 1) sigma_x sigma_g.

    Each additional pixel on a side adds sigma_x sigma_g. Arguments and errors as
    `weight_gradient_variance`.
    """
    windows = window_count(check_int("n", n, 1), check_int("k", k, 1))
    return windows * check_not_negative("sigma_x", sigma_x) * check_not_negative("sigma_g", sigma_g)


def weight_gradient_mean(k: int) -> Floats:
    """Returns the mean of the weight gradient: zeros, shape (k, k).

    Raises:
        InputError: for a side below 1.
    """
    return np.zeros((check_int("k", k, 1), k))


def weight_gradient_terms(
    n: int, k: int, *, stride: int = 1, padding: int = 0
) -> npt.NDArray[np.int64]:
    """Returns the number of image pixels that each weight multiplies, shape (k, k).

    Without padding it is the number of windows; with padding a weight near the kernel's edge also
    multiplies zeros, which do not count.

    Raises:
        InputError: for sides or a stride below 1, negative padding, k above the padded side.
    """
    n, k, stride = check_int("n", n, 1), check_int("k", k, 1), check_int("stride", stride, 1)
    starts = stride * np.arange(window_count(n, k, stride, check_int("padding", padding))) - padding
    rows = starts + np.arange(k)[:, None]
    along: npt.NDArray[np.int64] = np.sum((rows >= 0) & (rows < n), axis=1)
    return along[:, None] * along


def weight_gradient_covariance(
    n: int,
    k: int,
    sigma_x: float,
    sigma_g: float,
    *,
    stride: int = 1,
    padding: int = 0,
    images: int = 1,
) -> Floats:
    """Returns the covariance of all weight gradients, shape (k k, k k), diagonal.

    Entry (h k + l) of the diagonal is the variance for weight (h, l); off the diagonal it is 0,
    since different weights are uncorrelated.

    Args:
        n: Side of the image in pixels.
        k: Side of the kernel in pixels.
        sigma_x: Standard deviation of a pixel.
        sigma_g: Standard deviation of an output gradient.
        stride: Pixels between windows.
        padding: Zeros around the image.
        images: Number of independent images whose gradients are summed.

    Raises:
        InputError: as `weight_gradient_terms`, for fewer images than 1, or a deviation that is
            negative or not finite.
    """
    terms = weight_gradient_terms(n, k, stride=stride, padding=padding)
    deviation = check_not_negative("sigma_x", sigma_x) * check_not_negative("sigma_g", sigma_g)
    return np.diag(check_int("images", images, 1) * deviation**2 * terms.ravel())


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
        x: Images.
        dy: Gradient of the loss with respect to the layer's output.
        kernel: Kernel size; needed for a stride other than 1, since several sizes then give the
            same output.
        stride: Pixels between windows, one number or (vertical, horizontal).
        padding: Zeros around the image, one number or (vertical, horizontal).

    Returns:
        Shape (kh, kw) for x (H, W), else (O, C, kh, kw); of x's array type.

    Raises:
        InputError: for incompatible shapes, values that are not finite, or a kernel that does
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
        dy: Gradient of the loss with respect to the layer's output.

    Returns:
        Shape () for dy (h, w), else (O,); of dy's array type.

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
    """Returns the weights after SGD steps: the initial ones minus a weighted sum of patches.

    w_T = w_0 - lr sum_t sum_ij dy_t,ij (the patch of x_t under output pixel ij).

    Args:
        weights: Weights before the first step, (kh, kw) or (O, C, kh, kw).
        images: x of each step.
        gradients: dy of each step.
        lr: Learning rate.
        stride: As in `weight_gradient`.
        padding: As in `weight_gradient`.

    Raises:
        InputError: for lists of unequal length, lr not above 0, and as `weight_gradient`.
    """
    first, lr = floats("weights", weights, {2, 4}), check_positive("lr", lr)
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
