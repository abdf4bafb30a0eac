"""Reading and writing of CIFAR-10, and errors that explain a folder without it."""

import os
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torchvision.datasets import CIFAR10
from torchvision.datasets.utils import check_integrity

from hpml_lab.errors import DataError, InputError

PYTHON_FOLDER = "cifar-10-batches-py"
BINARY_FOLDER = "cifar-10-batches-bin"
_FIRST = {PYTHON_FOLDER: "data_batch_1", BINARY_FOLDER: "data_batch_1.bin"}
_DEEPEST = 3  # levels of sub-folders to search
_PICTURES = (".png", ".jpg", ".jpeg")


def places(folder: Path) -> list[tuple[str, Path]]:
    """Returns the locations of both versions in a folder or in its usual sub-folders.

    Returns:
        Pairs of `PYTHON_FOLDER` or `BINARY_FOLDER` and the location, the python version first.

    Raises:
        DataError: if the folder cannot be listed.
    """
    locations = [
        (version, place)
        for place in (folder, folder / PYTHON_FOLDER, folder / BINARY_FOLDER)
        for version, first in _FIRST.items()
        if _is_file(place / first)
    ]
    return sorted(locations, key=lambda pair: pair[0] != PYTHON_FOLDER)


def instead(folder: Path) -> DataError:
    """Returns the error for a folder without CIFAR-10: its contents, and what to do."""
    reason = next(_reasons(folder), None) or (
        f"neither {PYTHON_FOLDER}/data_batch_1 nor {BINARY_FOLDER}/data_batch_1.bin is there"
    )
    return DataError(f"no CIFAR-10 in {str(folder)!r}: {reason}", folder)


def _reasons(folder: Path) -> Iterator[str]:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        yield f"it cannot be listed ({error.strerror})"
        return
    if not names:
        yield "it is empty; fetch the data set, or give the word download"
    yield from (f"it lies in {str(place)!r}; give that folder" for place in _below(folder))
    for name in names:
        if name.startswith("cifar-10-") and name.endswith(".tar.gz"):
            yield _archive(folder / name)
    if any("cifar-100" in name for name in (folder.name, *names)):
        yield "this is CIFAR-100, which has other classes; fetch CIFAR-10"
    if any(path.suffix == ".mat" for path in _files(folder)):
        yield "this is the MATLAB version; fetch the binary or the python version"
    if any(path.suffix.lower() in _PICTURES for path in _files(folder)):
        yield "it holds pictures; the binary or the python version of the data set is read"


def _archive(path: Path) -> str:
    """Returns what to do with an archive; it is read to its end to check that it is complete."""
    try:
        with tarfile.open(path) as archive:
            archive.getmembers()
    except (OSError, EOFError, tarfile.TarError, zlib.error):
        return f"the archive {path.name} is cut off or damaged; fetch it again"
    return f"only the archive {path.name} is there; unpack it with: tar xzf {path.name}"


def _below(folder: Path) -> Iterator[Path]:
    for path in _files(folder):
        if path.name in _FIRST.values():
            yield path.parent


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        if len(Path(root).relative_to(folder).parts) >= _DEEPEST:
            folders.clear()
        folders.sort()
        yield from (Path(root, name) for name in sorted(names))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise DataError(
            f"{str(path.parent)!r} cannot be read ({error.strerror})", path.parent
        ) from error


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
        pixels: Pixel values, uint8, shape (N, 32, 32, 3), height x width x RGB.
        labels: Class indices, int64, shape (N,), values 0 to 9.
        source: Origin of the images, which every result records.
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
        """Returns the first images.

        Raises:
            InputError: if there are fewer images.
        """
        if not 1 <= count <= len(self):
            raise InputError(f"images {count} cannot be had; the data holds 1 to {len(self)}")
        return Images(self.pixels[:count], self.labels[:count], self.source)


def read(folder: Path, split: Split) -> Images:
    """Returns one split of the CIFAR-10 in a folder or in its usual sub-folder.

    Raises:
        DataError: if there is no CIFAR-10, or a file is missing, damaged or truncated.
    """
    locations = places(folder)
    for number, (version, place) in enumerate(locations, 1):
        try:
            return _read_python(place, split) if version == PYTHON_FOLDER else _binary(place, split)
        except DataError:
            if number == len(locations):  # the other version may be intact
                raise
    raise instead(folder)


def files(folder: Path, split: Split) -> list[Path]:
    """Returns the files that `read` opens for a split; none without CIFAR-10."""
    for version, place in places(folder):
        if version == PYTHON_FOLDER:
            return [place / name for name, _ in _listed()]
        return [place / name for name in BINARY_FILES[split]]
    return []


def download(cache: Path) -> Path:
    """Returns the folder of the python version, downloaded by torchvision if it is missing.

    Raises:
        DataError: if the download fails.
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
        path: The file to write.
        pixels: Pixel values, uint8, shape (N, 3, 32, 32), channels first as in the format.
        labels: Class indices, uint8, shape (N,).
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
    """torchvision's reader, for files in the root folder itself."""

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
