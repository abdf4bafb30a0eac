"""The edge lab's images: grey squares with a stripe, or two, or none.

The lab has had two generators. That of 2023 draws where a stripe starts and cuts it off at the
end, so that a stripe which starts there is empty; that of 2025 draws only stripes which fit. The
share of empty ones, and the accuracy that they leave, are in `theory.stripes`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpml_lab.errors import InputError
from hpml_lab.workloads.rotation import Array, rotated

SIDE = 28
VERSION = 1  # raise it when the same seed gives other images
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
    """Where stripes may be.

    Attributes:
        first: the first row, or column, where one may start.
        end: the one before which all end.
        cut: whether any row up to `end` may be the start, and what reaches beyond is cut off; else
            only stripes that fit are drawn.
    """

    first: int
    end: int
    cut: bool

    def draw(
        self, rng: np.random.Generator, widths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Returns starts and ends of stripes of these widths, each start as likely."""
        last = np.where(self.cut, self.end, self.end - widths)
        starts = rng.integers(self.first, last, endpoint=True)
        return starts, np.minimum(starts + widths, self.end)


def place(generator: Generator, part: Part = "everywhere") -> Place:
    """Returns where one of the lab's generators puts stripes.

    Args:
        generator: the year of the lab.
        part: the domain shift trains on stripes that are ``near`` index 0 and validates on those
            that are ``far`` from it.
    """
    first, end = PARTS[part]
    # That of 2023 never lights index 0.
    return Place(max(first, 1) if generator == 2023 else first, end, cut=generator == 2023)


def edge_images(
    where: Place, classes: int, per_class: int, seed: int, order: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Returns images and labels, class by class in the order of `CLASSES`.

    Args:
        where: where stripes may be, see `place`.
        classes: 3 or 5.
        per_class: how many images each has.
        seed: the images are a function of it and of the other arguments.
        order: (784,), for each pixel the one whose place it takes; None leaves all in theirs.

    Returns:
        float32 of shape (classes * per_class, 1, 28, 28) in [0, 1], in steps of 1/255, and int64
        labels.

    Raises:
        InputError: for another number of classes, or no images.
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
    """Returns one order (784,) of all pixels."""
    return torch.randperm(SIDE * SIDE, generator=torch.Generator().manual_seed(seed))


def _draw(rng: np.random.Generator, name: str, count: int, where: Place) -> Array:
    """Returns images (count, 28, 28) of a class, before they are cast to bytes."""
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
        of = angles == degrees
        tilted[of] = rotated(images[of], degrees, grey[of])
    return tilted


def _grey(values: Array) -> NDArray[np.uint8]:
    """Returns bytes; what is out of range wraps, as the lab's own cast does on x86.

    Splines undershoot, so about one in three diagonal images has nearly white pixels beside its
    stripe: a cue that no other class has.
    """
    return (np.trunc(values * 255).astype(np.int64) % 256).astype(np.uint8)
