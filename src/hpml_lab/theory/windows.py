"""Sliding windows over images, as in PyTorch: their sizes, numbers and views."""

import numpy as np

from hpml_lab.errors import InputError
from hpml_lab.theory.validation import check_int

Pair = int | tuple[int, int]


def pair(what: str, value: Pair, least: int = 1) -> tuple[int, int]:
    """Returns (vertical, horizontal) from one number for both, or from two.

    Raises:
        InputError: for anything but one or two whole numbers of ``least`` or more.
    """
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2:
        raise InputError(f"{what} is {value!r}; it must be one number, or two")
    return check_int(what, both[0], least), check_int(what, both[1], least)


def window_count(size: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Returns the number of windows per side, floor((size + 2 padding - kernel) / stride) + 1.

    Raises:
        InputError: for a kernel larger than the padded side.
    """
    if kernel > size + 2 * padding:
        raise InputError(
            f"kernel is {kernel}; it must be at most {size + 2 * padding}, the image with padding"
        )
    return (size + 2 * padding - kernel) // stride + 1


def window_counts(
    image: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int] = (0, 0),
) -> tuple[int, int]:
    """Returns `window_count` for both sides of an image.

    Raises:
        InputError: for a kernel larger than the padded image.
    """
    down = window_count(image[0], kernel[0], stride[0], padding[0])
    return down, window_count(image[1], kernel[1], stride[1], padding[1])


def windows(
    images: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    kernel: tuple[int, int],
    stride: tuple[int, int],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Returns a view (..., rows, columns, *kernel) of images (..., H, W), one entry per window."""
    every = np.lib.stride_tricks.sliding_window_view(images, kernel, axis=(-2, -1))
    return every[..., :: stride[0], :: stride[1], :, :]
