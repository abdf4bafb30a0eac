"""Images of stripes; rotated by cubic splines like `scipy.ndimage.rotate` with ``reshape=False``.

A spline through a bright stripe undershoots next to it, which shows in the edge lab's diagonals.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpml_lab.errors import InputError

Array = NDArray[np.float64]


def rotated(images: Array, degrees: float, outside: Array) -> Array:
    """Returns images rotated about their centre, at the same size.

    Args:
        images: (n, side, side).
        degrees: the angle, in the sense of `scipy.ndimage.rotate`.
        outside: (n,), the fill value of each image for pixels from outside of it.

    Returns:
        (n, side, side); values may exceed the range of the image's own.
    """
    side = images.shape[-1]
    down, across, inside = _taps(side, degrees)
    turned = np.einsum("pr,nrp->np", down, images @ across.T)
    filled = np.where(inside, turned, outside[:, None])
    return filled.reshape(-1, side, side)


@cache
def _taps(side: int, degrees: float) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Returns each pixel's weights (side^2, side) of rows and columns, and whether it is inside."""
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


SIDE = 28
VERSION = 1  # increase it when the same seed gives other images
CLASSES = {
    3: ("horizontal", "vertical", "none"),
    5: ("horizontal", "vertical", "diagonal", "both", "none"),
}
_BACKGROUND, _STRIPE, _WIDTHS = (0.0, 0.2), (0.25, 1.0), (1, 4)
_DEGREES = (30, 45, 120, 135)

Generator = Literal[2023, 2025]
Part = Literal["everywhere", "near", "far"]
PARTS: dict[Part, tuple[int, int]] = {"everywhere": (0, 27), "near": (0, 13), "far": (14, 27)}


@dataclass(frozen=True)
class Place:
    """Range of positions of stripes.

    Attributes:
        first: the first row, or column, at which a stripe may start.
        end: the row, or column, before which all stripes end.
        cut: whether a stripe may start at any row up to `end` and is cut off there; otherwise only
            stripes that fit are drawn.
    """

    first: int
    end: int
    cut: bool

    def draw(
        self, rng: np.random.Generator, widths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Returns starts and ends of stripes of these widths; all starts are equally likely."""
        last = np.where(self.cut, self.end, self.end - widths)
        starts = rng.integers(self.first, last, endpoint=True)
        return starts, np.minimum(starts + widths, self.end)


def place(generator: Generator, part: Part = "everywhere") -> Place:
    """Returns the range of positions of one of the lab's generators.

    Args:
        generator: the year of the lab.
        part: ``near`` index 0 for training and ``far`` from it for validation under domain shift;
            ``everywhere`` otherwise.
    """
    first, end = PARTS[part]
    # The generator of 2023 never starts a stripe at index 0.
    return Place(max(first, 1) if generator == 2023 else first, end, cut=generator == 2023)


def edge_images(
    where: Place, classes: int, per_class: int, seed: int, order: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Returns images and labels, sorted by class in the order of `CLASSES`.

    Args:
        where: range of positions of the stripes, see `place`.
        classes: 3 or 5.
        per_class: number of images of each class.
        seed: the images are a function of it and of the other arguments.
        order: (784,), permutation of the pixels; None for none.

    Returns:
        float32 of shape (classes * per_class, 1, 28, 28) in [0, 1], in steps of 1/255, and int64
        labels.

    Raises:
        InputError: for any other number of classes, or no images.
    """
    if classes not in CLASSES or per_class < 1:
        raise InputError(
            f"{classes} classes of {per_class} images; there are 3 or 5, of 1 image or more"
        )
    rng = np.random.default_rng([VERSION, seed])
    drawn = np.concatenate([_draw(rng, name, per_class, where) for name in CLASSES[classes]])
    images = torch.from_numpy(_grey(drawn).astype(np.float32) / np.float32(255))
    if order is not None:
        images = images.flatten(1)[:, order].view_as(images)
    return images[:, None], torch.arange(classes).repeat_interleave(per_class)


def fixed_order(seed: int) -> Tensor:
    """Returns a random permutation (784,) of all pixels."""
    return torch.randperm(SIDE * SIDE, generator=torch.Generator().manual_seed(seed))


def _draw(rng: np.random.Generator, name: str, count: int, where: Place) -> Array:
    """Returns images (count, 28, 28) of a class, before the cast to bytes."""
    grey = rng.uniform(*_BACKGROUND, (count, 1, 1))
    images = np.broadcast_to(grey, (count, SIDE, SIDE))
    if name == "none":
        return images
    widths = rng.integers(*_WIDTHS, count, endpoint=True)
    if name == "diagonal":
        widths = np.ones(count, np.int64)
    lit = _lit(*where.draw(rng, widths))
    down, across = rng.uniform(*_STRIPE, (2, count, 1, 1))
    rows = np.where(lit[:, :, None], down, images)
    columns = np.where(lit[:, None, :], across, rows if name == "both" else images)
    if name == "diagonal":
        even = np.arange(count) % 2 == 0
        return _tilted(rng, np.where(even[:, None, None], rows, columns), grey[:, 0, 0])
    return rows if name == "horizontal" else columns


def _lit(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    index = np.arange(SIDE)
    return (index >= starts[:, None]) & (index < ends[:, None])


def _tilted(rng: np.random.Generator, images: Array, grey: Array) -> Array:
    angles = rng.choice(_DEGREES, len(images))
    tilted = np.empty_like(images)
    for degrees in _DEGREES:
        selected = angles == degrees
        tilted[selected] = rotated(images[selected], degrees, grey[selected])
    return tilted


def _grey(values: Array) -> NDArray[np.uint8]:
    """Returns values as bytes; values out of range wrap, like the lab's own cast on x86.

    Splines undershoot, so about one in three diagonal images has nearly white pixels next to its
    stripe, a cue that no other class has.
    """
    return (np.trunc(values * 255).astype(np.int64) % 256).astype(np.uint8)
