"""Gradients of max and average pooling.

Source: LeCun et al. 1998, section 2.B for average, Scherer et al. 2010 for max pooling. Each output
pixel hands its gradient to its window and to nothing else, so the sum of dx is the sum of dy;
where windows overlap, a pixel adds up what it is handed.

Shapes: x (H, W), (C, H, W) or (N, C, H, W), and dy likewise with sides
floor((H - kernel) / stride) + 1; no padding.
Results are float64.
"""

from collections.abc import Sequence

import numpy as np

from hpml_lab.errors import InputError
from hpml_lab.theory.arrays import Array, Floats, Values, floats, like, of_shape
from hpml_lab.theory.scalars import whole
from hpml_lab.theory.windows import Pair, pair, window_counts, windows

_DIMENSIONS = {2, 3, 4}


def max_pool_gradient(x: Array, dy: Array, kernel: Pair = 2, stride: Pair | None = None) -> Array:
    """Returns dx, of x's shape and kind: dy at the first maximum of each window, 0 elsewhere.

    First in row-major order, so one pixel of a tie takes all, as in PyTorch.

    Args:
        x: images, (..., H, W).
        dy: the gradient of the loss by the pooled images, (..., h, w).
        kernel: the window's size, one number or (vertical, horizontal).
        stride: pixels between windows; the kernel's size by default.

    Raises:
        InputError: for shapes that do not fit, values that are not finite, a kernel larger than
            the image, or a kernel or stride below 1.
    """
    images = floats("x", x, _DIMENSIONS)
    gradients, sizes, strides = _fitted(images.shape, dy, kernel, stride)
    views = windows(images, sizes, strides)
    # argmax gives the first of equals, and merging the window's axes keeps row-major order.
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
    """Returns dx, of the given shape and dy's kind: dy / (kernel area) over each window.

    Args:
        shape: of the images before pooling, (..., H, W).
        dy: the gradient of the loss by the pooled images, (..., h, w).
        kernel: the window's size, one number or (vertical, horizontal).
        stride: pixels between windows; the kernel's size by default.

    Raises:
        InputError: as `max_pool_gradient`, and for a side below 1.
    """
    sides = tuple(whole("a side of shape", side, 1) for side in shape)
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
