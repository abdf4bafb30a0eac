"""The lab's transforms, and loaders with a timeout."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import (
    Compose,
    Normalize,
    RandomCrop,
    RandomHorizontalFlip,
    Resize,
    ToTensor,
)

from hpml_lab.errors import InputError
from hpml_lab.training.cifar10 import SIDE, Images

# The lab calls the second triple a variance; it is the standard deviation, and is used as such.
MEAN = (0.4914, 0.4822, 0.4465)
DEVIATION = (0.2023, 0.1994, 0.2010)
TIMEOUT_S = 120
TRANSFORMS = ("lab", "plain")
PIPELINES = ("lab", "batched", "resident")
# The batch size does not affect an evaluation's results; one size makes times comparable.
EVALUATION_BATCH = 256

Batch = tuple[Tensor, Tensor]


def build_transforms(name: str = "lab", image: int = SIDE, *, augment: bool = True) -> Compose:
    """Returns the transforms from a 32x32 PIL image to a float32 tensor (3, image, image).

    Args:
        name: ``lab`` (crop, flip, to float in [0, 1], normalise) or ``plain`` (only to float, as in
            the GPU-memory lab).
        image: Side in pixels; other sides than 32 are resized bilinearly, with antialiasing.
        augment: False leaves out crop and flip.
    """
    random = [RandomCrop(SIDE, padding=4), RandomHorizontalFlip()]
    resized = [Resize(image)] if image != SIDE else []
    normalised = [Normalize(MEAN, DEVIATION)]
    lab = name == "lab"
    return Compose(
        [*(random if lab and augment else []), *resized, ToTensor(), *(normalised if lab else [])]
    )


def worker_counts(processors: int) -> tuple[int, ...]:
    """Returns the worker counts worth trying: 0, then powers of two up to twice the processors."""
    largest = 2 * processors
    return (0, *(2**power for power in range(largest.bit_length()) if 2**power <= largest))


def fewer_threads(processors: int) -> tuple[int, ...]:
    """Returns the thread counts worth trying besides one a processor: 1, and half of them."""
    return tuple(sorted({count for count in (1, processors // 2) if 0 < count < processors}))


class TransformedImages(Dataset[tuple[Tensor, int]]):
    """Dataset of images that are transformed on each access.

    Args:
        images: The images.
        transform: Transform of a PIL image, see `build_transforms`.
    """

    def __init__(self, images: Images, transform: Compose) -> None:
        self._images = images
        self._transform = transform

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self._images.pixels[index])
        return self._transform(image), int(self._images.labels[index])


class QuietLoader(DataLoader[Any]):
    """A loader for sweeps over worker counts."""

    def check_worker_number_rationality(self) -> None:
        """Does not warn: a sweep includes more workers than processors."""


def check_batch(batch_size: int, images: int) -> None:
    """Refuses a batch larger than the data.

    Raises:
        InputError: if the batch is larger.
    """
    if batch_size > images:
        raise InputError(
            f"batch_size {batch_size} is larger than the {images} training images; "
            f"give 1 to {images}"
        )


def training_loader(
    images: Images,
    batch_size: int,
    *,
    transform: Compose | None = None,
    workers: int = 0,
    persistent_workers: bool = False,
    pin_memory: bool = False,
    drop_last: bool = False,
    seed: int = 0,
) -> DataLoader[tuple[Tensor, int]]:
    """Returns the shuffled loader of the lab, with the lab's transforms unless others are given.

    A worker that returns no batch for `TIMEOUT_S` seconds ends the epoch with an error.

    Raises:
        InputError: if the batch is larger than the data.
    """
    check_batch(batch_size, len(images))
    return QuietLoader(
        TransformedImages(images, transform or build_transforms()),
        batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=persistent_workers and workers > 0,
        pin_memory=pin_memory,
        drop_last=drop_last,
        timeout=TIMEOUT_S if workers else 0,
        generator=torch.Generator().manual_seed(seed),
    )


def evaluation_loader(
    images: Images, transform: Compose, *, workers: int = 0, pin_memory: bool = False
) -> DataLoader[tuple[Tensor, int]]:
    """Returns a loader of the images in their order, in batches of `EVALUATION_BATCH`."""
    return QuietLoader(
        TransformedImages(images, transform),
        EVALUATION_BATCH,
        num_workers=workers,
        pin_memory=pin_memory,
        timeout=TIMEOUT_S if workers else 0,
        generator=torch.Generator(),  # the global one would change the augmentation that follows
    )
