"""The training images: real CIFAR-10 where it can be had, generated ones of its shape elsewhere."""

import functools
from pathlib import Path

from hpml_lab.errors import DataError
from hpml_lab.workloads import cifar10, generated
from hpml_lab.workloads.cache import cache_folder
from hpml_lab.workloads.cifar10 import Images, Split
from hpml_lab.workloads.cifar10_folders import BINARY_FOLDER, PYTHON_FOLDER


@functools.lru_cache(maxsize=2)
def open_images(data: str = "generated", split: Split = "train") -> Images:
    """Returns the images of one split; the same object when asked again.

    Args:
        data: ``generated``; or a folder that holds CIFAR-10 in its python or binary version; or
            ``download`` to fetch CIFAR-10 once into the cache folder.
        split: ``train`` (50,000 images) or ``test`` (10,000).

    Raises:
        DataError: if the folder or one of its files is missing, damaged or truncated, or the
            download fails.
    """
    return cifar10.read(data_folder(data), split)


def data_folder(data: str) -> Path:
    """Returns the folder that `open_images` reads; made or fetched if it is not there yet.

    Raises:
        DataError: if it cannot be had.
    """
    if data == "generated":
        return generated.ensure(cache_folder())
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
