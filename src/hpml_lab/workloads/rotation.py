"""Square images rotated by cubic splines, as `scipy.ndimage.rotate` does with ``reshape=False``.

A spline through a bright stripe undershoots beside it, which is what the edge lab's diagonals show.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def rotated(images: Array, degrees: float, outside: Array) -> Array:
    """Returns images turned about their centre, at the same size.

    Args:
        images: (n, side, side).
        degrees: the angle, in the sense of `scipy.ndimage.rotate`.
        outside: (n,), the value of each image's pixels whose place lies outside of it.

    Returns:
        (n, side, side); values may leave the range of the image's own.
    """
    side = images.shape[-1]
    down, across, inside = _taps(side, degrees)
    turned = np.einsum("pr,nrp->np", down, images @ across.T)
    filled = np.where(inside, turned, outside[:, None])
    return filled.reshape(-1, side, side)


@cache
def _taps(side: int, degrees: float) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Returns each pixel's weights (side^2, side) of rows and columns, and if it lies inside."""
    places = np.indices((side, side)).reshape(2, -1) - (side - 1) / 2
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    row, column = np.array([[cosine, sine], [-sine, cosine]]) @ places + (side - 1) / 2
    inside = (np.minimum(row, column) >= 0) & (np.maximum(row, column) <= side - 1)
    spline = np.linalg.inv(_weights(np.arange(side, dtype=float), side))
    return _weights(row, side) @ spline, _weights(column, side) @ spline, inside


def _weights(places: Array, side: int) -> Array:
    """Returns the weights (n, side) of a cubic B-spline's coefficients, mirrored at both ends."""
    last, weights = side - 1, np.zeros((len(places), side))
    for tap in range(-1, 3):
        index = np.floor(places).astype(int) + tap
        mirrored = last - np.abs(last - np.abs(index))
        # Places far outside are replaced later; any index will do for them.
        np.add.at(weights, (np.arange(len(places)), mirrored.clip(0, last)), _cubic(places - index))
    return weights


def _cubic(distance: Array) -> Array:
    """Returns the cubic B-spline: 2/3 - d^2 + d^3 / 2 below 1, (2 - d)^3 / 6 below 2, then 0."""
    far = np.abs(distance)
    near = 2 / 3 - far**2 + far**3 / 2
    return np.where(far < 1, near, np.maximum(0, 2 - far) ** 3 / 6)
