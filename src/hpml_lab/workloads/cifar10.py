"""CIFAR-10 on disk, in both versions its authors publish (Krizhevsky 2009, and the site's README).

The binary version is read here: records of one label byte and 3,072 pixel bytes, channel by
channel. The python version holds pickles, which run code when loaded: they are only opened by
torchvision and only after every file has the digest that torchvision pins.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torchvision.datasets import CIFAR10
from torchvision.datasets.utils import check_integrity

from hpml_lab.errors import DataError, InputError
from hpml_lab.workloads.cifar10_folders import PYTHON_FOLDER, instead, places

SIDE = 32
CHANNELS = 3
CLASSES = 10

Split = Literal["train", "test"]
Source = Literal["cifar10", "generated"]

BINARY_FILES: dict[Split, list[str]] = {
    "train": [f"data_batch_{i}.bin" for i in range(1, 6)],
    "test": ["test_batch.bin"],
}
GENERATED_MARK = "generated.txt"
_PIXEL_BYTES = CHANNELS * SIDE * SIDE
RECORD_BYTES = 1 + _PIXEL_BYTES


@dataclass(frozen=True)
class Images:
    """Labelled images in memory, read-only.

    Attributes:
        pixels: uint8, shape (N, 32, 32, 3), height x width x RGB.
        labels: int64, shape (N,), values 0 to 9.
        source: where they come from; stands in every result made with them.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    source: Source

    def __post_init__(self) -> None:
        self.pixels.setflags(write=False)
        self.labels.setflags(write=False)

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> "Images":
        """Returns the first images alone.

        Raises:
            InputError: if there are fewer.
        """
        if not 1 <= count <= len(self):
            raise InputError(f"images {count} cannot be had; the data holds 1 to {len(self)}")
        return Images(self.pixels[:count], self.labels[:count], self.source)


def read(folder: Path, split: Split) -> Images:
    """Returns one split of the CIFAR-10 found in a folder, or in its usual sub-folder.

    Raises:
        DataError: if there is none, or a file of it is missing, damaged or truncated.
    """
    found = places(folder)
    for number, (version, place) in enumerate(found, 1):
        try:
            return _read_python(place, split) if version == PYTHON_FOLDER else _binary(place, split)
        except DataError:
            if number == len(found):  # a damaged version hides no good one
                raise
    raise instead(folder)


def files(folder: Path, split: Split) -> list[Path]:
    """Returns the files that `read` opens for a split; none where there is no CIFAR-10."""
    for version, place in places(folder):
        if version == PYTHON_FOLDER:
            return [place / name for name, _ in _listed()]
        return [place / name for name in BINARY_FILES[split]]
    return []


def download(cache: Path) -> Path:
    """Returns the folder of the python version, fetched by torchvision if it is not there yet.

    Raises:
        DataError: if it cannot be fetched.
    """
    folder = cache / "cifar10"
    try:
        CIFAR10(folder, download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"CIFAR-10 could not be downloaded to {str(folder)!r} ({error}); check the network, "
            "or fetch it elsewhere and name its folder as data",
            folder,
        ) from error
    return folder


def write_binary(path: Path, pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    """Writes images to one file of the binary version.

    Args:
        path: the file to write.
        pixels: uint8, shape (N, 3, 32, 32), channels first as in the format.
        labels: uint8, shape (N,).
    """
    records = np.empty((len(labels), RECORD_BYTES), np.uint8)
    records[:, 0] = labels
    records[:, 1:] = pixels.reshape(len(labels), _PIXEL_BYTES)
    path.write_bytes(records.tobytes())


def _binary(folder: Path, split: Split) -> Images:
    paths = [folder / name for name in BINARY_FILES[split]]
    _check_sizes(paths)
    records = np.concatenate([_records(path) for path in paths])
    pixels = records[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)
    source: Source = "generated" if (folder / GENERATED_MARK).is_file() else "cifar10"
    return Images(np.ascontiguousarray(pixels), records[:, 0].astype(np.int64), source)


def _check_sizes(paths: list[Path]) -> None:
    for path in paths:
        if not path.is_file():
            raise DataError(
                f"CIFAR-10 file {str(path)!r} is missing; fetch the data set again", path
            )
    largest = max(path.stat().st_size for path in paths)
    for path in paths:
        size = path.stat().st_size
        if size == 0 or size % RECORD_BYTES or size != largest:
            raise DataError(
                f"CIFAR-10 file {str(path)!r} is truncated: {size:,} bytes, where its files have "
                f"{_whole(largest):,} (records of {RECORD_BYTES:,}); fetch the data set again",
                path,
            )


def _whole(size: int) -> int:
    return max(1, -(-size // RECORD_BYTES)) * RECORD_BYTES


def _records(path: Path) -> NDArray[np.uint8]:
    try:
        records = np.fromfile(path, np.uint8).reshape(-1, RECORD_BYTES)
    except OSError as error:
        raise DataError(
            f"CIFAR-10 file {str(path)!r} cannot be read ({error.strerror})", path
        ) from error
    if (largest := int(records[:, 0].max())) >= CLASSES:
        raise DataError(
            f"CIFAR-10 file {str(path)!r} is damaged: it has label {largest}, where labels are 0 "
            f"to {CLASSES - 1}; fetch the data set again",
            path,
        )
    return records


class _Batches(CIFAR10):  # type: ignore[misc]
    """torchvision's reader, for files that lie in the root itself."""

    base_folder = ""


def _listed() -> list[list[str]]:
    meta = [_Batches.meta["filename"], _Batches.meta["md5"]]
    return [*_Batches.train_list, *_Batches.test_list, meta]


def _read_python(folder: Path, split: Split) -> Images:
    for name, digest in _listed():
        if not check_integrity(folder / name, digest):
            raise DataError(
                f"CIFAR-10 file {str(folder / name)!r} is missing, damaged or truncated: its MD5 "
                f"digest is not {digest}; fetch the data set again",
                folder / name,
            )
    batches = _Batches(folder, train=split == "train")
    return Images(batches.data, np.asarray(batches.targets, np.int64), "cifar10")
