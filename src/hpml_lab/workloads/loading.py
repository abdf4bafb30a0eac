"""From images to batches: the lab's transforms and a loader that cannot hang."""

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToTensor

from hpml_lab.errors import InputError
from hpml_lab.workloads.cifar10 import SIDE, Images

# The lab calls the second triple a variance; it is the deviation, and is used as one.
MEAN = (0.4914, 0.4822, 0.4465)
DEVIATION = (0.2023, 0.1994, 0.2010)
TIMEOUT_S = 120

Batch = tuple[Tensor, Tensor]


def lab_transforms() -> Compose:
    """Returns the lab's training transforms: crop, flip, to float in [0, 1], normalise."""
    return Compose(
        [
            RandomCrop(SIDE, padding=4),
            RandomHorizontalFlip(),
            ToTensor(),
            Normalize(MEAN, DEVIATION),
        ]
    )


def worker_counts(processors: int) -> tuple[int, ...]:
    """Returns the worker counts worth trying: 0, then powers of two up to twice the processors."""
    largest = 2 * processors
    return (0, *(2**power for power in range(largest.bit_length()) if 2**power <= largest))


class TrainingImages(Dataset[tuple[Tensor, int]]):
    """Images one at a time, each augmented as in the lab: float32 of shape (3, 32, 32)."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self._transform = lab_transforms()

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self._images.pixels[index])
        return self._transform(image), int(self._images.labels[index])


class _Loader(DataLoader[tuple[Tensor, int]]):
    def check_worker_number_rationality(self) -> None:
        """Does not warn: more workers than processors is a point of the sweep."""


def check_batch(batch_size: int, images: int) -> None:
    """Refuses a batch larger than the data.

    Raises:
        InputError: if it is.
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
    workers: int = 0,
    persistent_workers: bool = False,
    pin_memory: bool = False,
    drop_last: bool = False,
    seed: int = 0,
) -> DataLoader[tuple[Tensor, int]]:
    """Returns the shuffled loader of the lab.

    A worker that gives nothing for `TIMEOUT_S` seconds ends the epoch with an error.

    Raises:
        InputError: if the batch is larger than the data.
    """
    check_batch(batch_size, len(images))
    return _Loader(
        TrainingImages(images),
        batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=persistent_workers and workers > 0,
        pin_memory=pin_memory,
        drop_last=drop_last,
        timeout=TIMEOUT_S if workers else 0,
        generator=torch.Generator().manual_seed(seed),
    )
