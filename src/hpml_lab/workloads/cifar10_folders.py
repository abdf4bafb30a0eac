"""Where CIFAR-10 lies in a folder, and what lies there instead."""

import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from hpml_lab.errors import DataError

PYTHON_FOLDER = "cifar-10-batches-py"
BINARY_FOLDER = "cifar-10-batches-bin"
_FIRST = {PYTHON_FOLDER: "data_batch_1", BINARY_FOLDER: "data_batch_1.bin"}
_DEEPEST = 3  # folders below the one that is named
_PICTURES = (".png", ".jpg", ".jpeg")


def places(folder: Path) -> list[tuple[str, Path]]:
    """Returns where either version lies in a folder or in its usual sub-folders.

    Returns:
        Pairs of `PYTHON_FOLDER` or `BINARY_FOLDER` and the place, the python version first.

    Raises:
        DataError: if the folder cannot be listed.
    """
    found = [
        (version, place)
        for place in (folder, folder / PYTHON_FOLDER, folder / BINARY_FOLDER)
        for version, first in _FIRST.items()
        if _is_file(place / first)
    ]
    return sorted(found, key=lambda pair: pair[0] != PYTHON_FOLDER)


def instead(folder: Path) -> DataError:
    """Returns what a folder without CIFAR-10 holds, as an error that says what to do."""
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
    """Returns what to do with an archive, which is read to its end to see whether it is whole."""
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
