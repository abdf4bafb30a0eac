"""Images transformed a batch at a time: one gather crops and mirrors, two operations normalise.

The law is that of `loader.build_transforms`: the offsets of a crop from a border of 4 pixels are
uniform on 0 to 8 in both directions, half of the images are mirrored, and values are the same to
rounding. Offsets are drawn where the batches are ordered and not where they are made, so a batch
depends on the seed alone, whatever the number of workers.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, Sampler

from hpml_lab.training.cifar10 import SIDE, Images
from hpml_lab.training.loader import (
    DEVIATION,
    EVALUATION_BATCH,
    MEAN,
    TIMEOUT_S,
    Batch,
    QuietLoader,
    check_batch,
)

BORDER = 4  # pixels
_PADDED = SIDE + 2 * BORDER
_CHANNELS = 3


class Draw(NamedTuple):
    """One batch before it is made; each part is an int64 tensor of shape (B,).

    Attributes:
        images: Indices of the images.
        tops: First rows of the crops, 0 to 8.
        lefts: First columns of the crops, 0 to 8.
        mirrored: 1 for an image that is mirrored, else 0.
    """

    images: Tensor
    tops: Tensor
    lefts: Tensor
    mirrored: Tensor


class Draws(Sampler[Draw]):
    """The batches of an epoch, others in each epoch.

    Args:
        count: Number of images.
        batch_size: Images of a batch; the last batch may be smaller.
        shuffled: Whether the order is random.
        augmented: Whether crops and mirrored images are random; else neither.
        drop_last: Whether a last, smaller batch is left out.
        seed: Seed of order and augmentation.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        *,
        shuffled: bool = True,
        augmented: bool = True,
        drop_last: bool = False,
        seed: int = 0,
    ) -> None:
        self._count, self._batch_size = count, batch_size
        self._shuffled, self._augmented, self._drop_last = shuffled, augmented, drop_last
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        whole, rest = divmod(self._count, self._batch_size)
        return whole + (rest > 0 and not self._drop_last)

    def __iter__(self) -> Iterator[Draw]:
        # Drawn for the whole epoch: a call for each batch takes as long as gathering it.
        epoch = Draw(self._order(), *self._augmentation())
        for number in range(len(self)):
            batch = slice(number * self._batch_size, (number + 1) * self._batch_size)
            yield Draw(*(part[batch] for part in epoch))

    def _order(self) -> Tensor:
        if self._shuffled:
            return torch.randperm(self._count, generator=self._generator)
        return torch.arange(self._count)

    def _augmentation(self) -> tuple[Tensor, Tensor, Tensor]:
        if not self._augmented:
            middle = torch.full((self._count,), BORDER)
            return middle, middle, torch.zeros_like(middle)
        shape = (2, self._count)
        tops, lefts = torch.randint(2 * BORDER + 1, shape, generator=self._generator)
        return tops, lefts, torch.randint(2, (self._count,), generator=self._generator)


class BatchedImages(Dataset[Batch]):
    """Images and their mirrored copies, from which a draw gathers a batch.

    Args:
        images: The images; each takes 9,600 bytes.
        image: Side of the batches' images in pixels; others than 32 are resized bilinearly, with
            antialiasing.
        normalised: Whether values are normalised as in the lab; else they are in [0, 1].
        channels_last: Whether a batch lies in memory pixel by pixel instead of channel by channel.
        device: Where the images are kept and batches are made.
    """

    def __init__(
        self,
        images: Images,
        *,
        image: int = SIDE,
        normalised: bool = True,
        channels_last: bool = False,
        device: str = "cpu",
    ) -> None:
        self._image, self._channels_last, self._device = image, channels_last, device
        self._count = len(images)
        self._labels = torch.from_numpy(images.labels.copy()).to(device)
        pixels = torch.from_numpy(_padded(images.pixels, channels_last)).to(device)
        # A line of a crop is contiguous: 32 pixels, of one channel or of all three.
        self._line = SIDE * (_CHANNELS if channels_last else 1)
        self._lines = pixels.view(-1).unfold(0, self._line, 1)
        self._offsets = _offsets(channels_last).to(device)
        mean, deviation = (MEAN, DEVIATION) if normalised else ((0.0,) * 3, (1.0,) * 3)
        self._factor = self._spread([1 / (255 * sigma) for sigma in deviation])
        self._term = self._spread([-mu / sigma for mu, sigma in zip(mean, deviation, strict=True)])

    def _spread(self, by_channel: list[float]) -> Tensor:
        """Returns values by channel in the shape in which they are applied, see `_normalised`."""
        values = torch.tensor(by_channel, device=self._device)
        return values.repeat(self._image) if self._channels_last else values.view(1, -1, 1, 1)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, draw: Draw) -> Batch:
        """Makes a batch: float32 images (B, 3, image, image), and int64 labels (B,)."""
        draw = Draw(*(part.to(self._device) for part in draw))
        pixels = self._gathered(draw)
        if self._image != SIDE:
            size = [self._image, self._image]
            pixels = functional.interpolate(pixels, size=size, mode="bilinear", antialias=True)
        return self._normalised(pixels), self._labels[draw.images]

    def _gathered(self, draw: Draw) -> Tensor:
        """Returns uint8 images (B, 3, 32, 32)."""
        pixel = _CHANNELS if self._channels_last else 1
        place = draw.mirrored * self._count + draw.images
        # In the mirrored copy, the crop that begins at `left` begins as far from the other side.
        lefts = draw.lefts + draw.mirrored * (2 * BORDER - 2 * draw.lefts)
        starts = place * (_CHANNELS * _PADDED**2) + (draw.tops * _PADDED + lefts) * pixel
        lines = self._lines.index_select(0, (starts[:, None] + self._offsets).view(-1))
        if self._channels_last:
            return lines.view(-1, SIDE, SIDE, _CHANNELS).permute(0, 3, 1, 2)
        return lines.view(-1, _CHANNELS, SIDE, SIDE)

    def _normalised(self, pixels: Tensor) -> Tensor:
        if not self._channels_last:
            return pixels.float().mul_(self._factor).add_(self._term)
        # Line by line, since operations over three values at a time are slow.
        count, _, side, _ = pixels.shape
        lines = pixels.permute(0, 2, 3, 1).reshape(count * side, side * _CHANNELS)
        lines = lines.float().mul_(self._factor).add_(self._term)
        return lines.view(count, side, side, _CHANNELS).permute(0, 3, 1, 2)


def _padded(pixels: np.ndarray, channels_last: bool) -> np.ndarray:
    """Returns images (2, N, 3, 40, 40), or (2, N, 40, 40, 3): as they are, and mirrored."""
    border = [(0, 0), (BORDER, BORDER), (BORDER, BORDER), (0, 0)]
    padded = np.pad(pixels, border)
    both = np.stack([padded, padded[:, :, ::-1]])
    return both if channels_last else np.ascontiguousarray(both.transpose(0, 1, 4, 2, 3))


def _offsets(channels_last: bool) -> Tensor:
    """Returns where the lines of a crop begin, from its first value on."""
    if channels_last:
        return torch.arange(SIDE) * (_PADDED * _CHANNELS)
    channels, rows = torch.arange(_CHANNELS) * _PADDED**2, torch.arange(SIDE) * _PADDED
    return (channels[:, None] + rows).view(-1)


def batched_loader(
    images: Images,
    batch_size: int,
    *,
    transforms: str = "lab",
    image: int = SIDE,
    channels_last: bool = False,
    workers: int = 0,
    persistent_workers: bool = False,
    pin_memory: bool = False,
    drop_last: bool = False,
    seed: int = 0,
) -> DataLoader[Batch]:
    """Returns a shuffled loader whose batches are made at once; its workers make whole batches.

    Args:
        images: The images.
        batch_size: Images of a batch.
        transforms: ``lab`` (crop, mirror, normalise) or ``plain`` (only to [0, 1]).
        image: Side in pixels.
        channels_last: Whether batches lie in memory pixel by pixel.
        workers: Worker processes; 0 makes batches in this one.
        persistent_workers: Whether workers live on from epoch to epoch.
        pin_memory: Whether batches lie in page-locked memory.
        drop_last: Whether a last, smaller batch is left out.
        seed: Seed of order and augmentation.

    Raises:
        InputError: if the batch is larger than the data.
    """
    check_batch(batch_size, len(images))
    lab = transforms == "lab"
    return _loader(
        BatchedImages(images, image=image, normalised=lab, channels_last=channels_last),
        Draws(len(images), batch_size, augmented=lab, drop_last=drop_last, seed=seed),
        workers,
        persistent_workers=persistent_workers and workers > 0,
        pin_memory=pin_memory,
    )


def batched_evaluation_loader(dataset: BatchedImages, *, workers: int = 0) -> DataLoader[Batch]:
    """Returns a loader of the images in their order, neither cropped nor mirrored."""
    draws = Draws(len(dataset), EVALUATION_BATCH, shuffled=False, augmented=False)
    return _loader(dataset, draws, workers)


def _loader(
    dataset: BatchedImages, draws: Draws, workers: int, **options: Any
) -> DataLoader[Batch]:
    return QuietLoader(
        dataset,
        batch_size=None,
        sampler=draws,
        num_workers=workers,
        timeout=TIMEOUT_S if workers else 0,
        generator=torch.Generator(),  # workers' seeds, of which nothing is drawn
        **options,
    )


class ResidentLoader:
    """A loader whose images are on the device already: each batch is made there.

    Args:
        dataset: Images on the device.
        draws: The batches of an epoch.
    """

    def __init__(self, dataset: BatchedImages, draws: Draws) -> None:
        self.dataset, self._draws = dataset, draws

    def __len__(self) -> int:
        return len(self._draws)

    def __iter__(self) -> Iterator[Batch]:
        return (self.dataset[draw] for draw in self._draws)
