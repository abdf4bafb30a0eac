"""Gradients of max and average pooling.

Source: LeCun et al. 1998, section 2.B for average, Scherer et al. 2010 for max pooling. Each output
pixel distributes its gradient over its window, so the sum of dx is the sum of dy; if windows
overlap, a pixel sums its gradients.

Shapes: x (H, W), (C, H, W) or (N, C, H, W), and dy likewise with sides
floor((H - kernel) / stride) + 1; no padding.
Results are float64.
"""

from collections.abc import Sequence

import numpy as np

from hpml_lab.errors import InputError
from hpml_lab.theory.arrays import Array, Floats, Values, floats, like, of_shape
from hpml_lab.theory.validation import check_int
from hpml_lab.theory.windows import Pair, pair, window_counts, windows

_DIMENSIONS = {2, 3, 4}


def max_pool_gradient(x: Array, dy: Array, kernel: Pair = 2, stride: Pair | None = None) -> Array:
    """Returns dx, of x's shape and array type: dy at the first maximum of a window, else 0.

    First in row-major order, so one pixel of a tie gets all of the gradient, as in PyTorch.

    Args:
        x: Images, (..., H, W).
        dy: Gradient of the loss with respect to the pooled images, (..., h, w).
        kernel: Window size, one number or (vertical, horizontal).
        stride: Pixels between windows; the kernel size by default.

    Raises:
        InputError: for incompatible shapes, values that are not finite, a kernel larger than
            the image, or a kernel or stride below 1.
    """
    images = floats("x", x, _DIMENSIONS)
    gradients, sizes, strides = _fitted(images.shape, dy, kernel, stride)
    views = windows(images, sizes, strides)
    # argmax returns the first maximum, and merging the window's axes keeps row-major order.
    winners = views.reshape(*views.shape[:-2], -1).argmax(axis=-1)
    *leading, row, column = np.indices(winners.shape)
    row = strides[0] * row + winners // sizes[1]
    column = strides[1] * column + winners % sizes[1]
    result = np.zeros(images.shape)
    np.add.at(result, (*leading, row, column), gradients)
    return like(x, result)


def avg_pool_gradient(
    shape: Sequence[int], dy: Array, kernel: Pair = 2, stride: Pair | None = None
) -> Array:
    """Returns dx, of the given shape and dy's array type: dy / (kernel area) in each window.

    Args:
        shape: Shape of the images before pooling, (..., H, W).
        dy: Gradient of the loss with respect to the pooled images, (..., h, w).
        kernel: Window size, one number or (vertical, horizontal).
        stride: Pixels between windows; the kernel size by default.

    Raises:
        InputError: as `max_pool_gradient`, and for a side below 1.
    """
    sides = tuple(check_int("a side of shape", side, 1) for side in shape)
    gradients, sizes, strides = _fitted(sides, dy, kernel, stride)
    result = np.zeros(sides)
    views = np.lib.stride_tricks.sliding_window_view(result, sizes, axis=(-2, -1), writeable=True)[
        ..., :: strides[0], :: strides[1], :, :
    ]
    for down, right in np.ndindex(*sizes):
        views[..., down, right] += gradients / (sizes[0] * sizes[1])
    return like(dy, result)


def _fitted(
    shape: tuple[int, ...], dy: Values, kernel: Pair, stride: Pair | None
) -> tuple[Floats, tuple[int, int], tuple[int, int]]:
    if len(shape) not in _DIMENSIONS:
        raise InputError(f"shape is {shape}; it must have 2 or 3 or 4 sides")
    sizes = pair("kernel", kernel)
    strides = sizes if stride is None else pair("stride", stride)
    counts = window_counts((shape[-2], shape[-1]), sizes, strides)
    return of_shape("dy", dy, (*shape[:-2], *counts)), sizes, strides
