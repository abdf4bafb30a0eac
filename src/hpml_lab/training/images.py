"""Training images: CIFAR-10, or generated images of its shape."""

import functools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpml_lab.errors import DataError
from hpml_lab.files import cache_folder
from hpml_lab.training import cifar10
from hpml_lab.training.cifar10 import (
    BINARY_FILES,
    BINARY_FOLDER,
    CHANNELS,
    CLASSES,
    GENERATED_MARK,
    PYTHON_FOLDER,
    SIDE,
    Images,
    Split,
    write_binary,
)


@functools.lru_cache(maxsize=2)
def open_images(data: str = "generated", split: Split = "train") -> Images:
    """Returns the images of one split; cached, so repeated calls return the same object.

    Args:
        data: ``generated``; or a folder that holds CIFAR-10 in its python or binary version; or
            ``download`` to download CIFAR-10 once into the cache folder.
        split: ``train`` (50,000 images) or ``test`` (10,000).

    Raises:
        DataError: if the folder or one of its files is missing, damaged or truncated, or the
            download fails.
    """
    return cifar10.read(data_folder(data), split)


def data_folder(data: str) -> Path:
    """Returns the folder that `open_images` reads; generates or downloads it if it is missing.

    Raises:
        DataError: if it does not exist or cannot be downloaded.
    """
    if data == "generated":
        return ensure(cache_folder())
    if data == "download":
        return cifar10.download(cache_folder())
    return existing_folder(data)


def existing_folder(data: str) -> Path:
    """Returns the folder named by the user.

    Raises:
        DataError: if it does not exist or is not a folder.
    """
    folder = Path(data).expanduser()
    if not data or not folder.is_dir():
        what = "a file and no" if data and folder.is_file() else "no data"
        raise DataError(
            f"{what} folder at {data!r}; give a folder that holds {PYTHON_FOLDER} or "
            f"{BINARY_FOLDER}, or one of the words: generated, download",
            folder,
        )
    return folder


SEED = 0
PER_FILE = 10_000
_VERSION = 1
_PERIODS = np.array([3.0, 4.4, 6.4, 9.4, 13.8], np.float32)


def ensure(cache: Path, seed: int = SEED, per_file: int = PER_FILE) -> Path:
    """Returns the folder of the generated images, and writes it first if it is missing.

    Args:
        cache: Cache folder.
        seed: Seed of the images.
        per_file: Images in each of the six files.
    """
    folder = cache / f"generated-v{_VERSION}-seed{seed}-{6 * per_file}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=cache, prefix=".generated-"))
    try:
        _write(building, seed, per_file)
        _publish(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _publish(building: Path, folder: Path) -> None:
    try:
        building.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process has written the same images
            raise


def _write(folder: Path, seed: int, per_file: int) -> None:
    names = [name for split in BINARY_FILES.values() for name in split]
    for index, name in enumerate(names):
        write_binary(folder / name, *draw(np.random.default_rng([seed, index]), per_file))
    (folder / GENERATED_MARK).write_text(f"hpml_lab images, version {_VERSION}, seed {seed}\n")
    folder.chmod(0o755)  # mkdtemp's 0700 would hide it on a shared cache


def draw(rng: np.random.Generator, count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Returns generated images and their labels.

    Args:
        rng: Random number generator.
        count: Number of images.

    Returns:
        Pixels, uint8 of shape (count, 3, 32, 32), and labels, uint8 of shape (count,), all ten
        classes equally often (to within one).
    """
    labels = rng.permutation(np.arange(count) % CLASSES).astype(np.uint8)
    pixels = np.empty((count, CHANNELS, SIDE, SIDE), np.uint8)
    for part in _parts(count):
        pixels[part] = _draw_part(rng, labels[part])
    return pixels, labels


def _parts(count: int, size: int = 1_000) -> Iterator[slice]:
    # Fits into the processor's cache: four times as fast as all images at once.
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _draw_part(rng: np.random.Generator, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = _gratings(rng, labels)
    image += rng.integers(-40, 41, image.shape, np.int16)
    _cover_patches(rng, image)
    return np.clip(image, 0, 255).astype(np.uint8)


def _gratings(rng: np.random.Generator, labels: NDArray[np.uint8]) -> NDArray[np.int16]:
    count = len(labels)
    period = _PERIODS[labels % 5] * rng.uniform(0.93, 1.07, count).astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
    position = np.arange(SIDE, dtype=np.float32)
    wave = np.cos(2 * np.pi * position / period[:, None] + phase[:, None])
    colour = rng.uniform(-1, 1, (count, CHANNELS)).astype(np.float32)
    colour *= rng.uniform(30, 80, (count, 1)).astype(np.float32)
    base = rng.uniform(80, 176, (count, CHANNELS, 1)).astype(np.float32)
    line = (base + colour[:, :, None] * wave[:, None, :]).astype(np.int16)
    across = np.broadcast_to(line[:, :, None, :], (count, CHANNELS, SIDE, SIDE))
    image = across.copy()
    down = labels >= 5
    image[down] = across[down].swapaxes(2, 3)
    return image


def _cover_patches(rng: np.random.Generator, image: NDArray[np.int16]) -> None:
    count = len(image)
    start = rng.integers(0, SIDE - 12, (2, count, 1))
    size = rng.integers(6, 13, (2, count, 1))
    rows, columns = (np.arange(SIDE) >= start) & (np.arange(SIDE) < start + size)
    covered = (rows[:, :, None] & columns[:, None, :])[:, None]
    colour = rng.integers(0, 256, (count, CHANNELS, 1, 1), np.int16)
    np.copyto(image, colour, where=covered)
