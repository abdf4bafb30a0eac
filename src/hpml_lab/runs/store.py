"""The storage of runs: one folder for each machine, one numbered file for each run.

Files are never overwritten. A file ``NNNN_NAME.json`` exists whole or not at all. Numbers grow
without limit, so they are compared as numbers. Hidden files next to the runs are temporary
(``.saving-``), a number that is being reserved (``.claim-``; one that remains of a killed saver
costs that number), and journals (``.journal-``, see `journal`).
"""

import errno
import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hpml_lab.errors import InputError
from hpml_lab.files import atomic_write, temporary_file
from hpml_lab.text import whole_text

MAKE_ONE = "make one with: pytest --benchmark-save=NAME"  # what to do where none is saved
_NUMBERED = re.compile(r"([0-9]+)_.*\.json", re.DOTALL)
_SURROGATE = "\\ud"
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF})


def save_run(run: dict[str, Any], folder: Path, name: str) -> Path:
    """Saves a run whole or not at all, under the next free number.

    Args:
        run: pytest-benchmark's JSON.
        folder: the machine's folder; made if it does not exist.
        name: name after the number.

    Returns:
        the file, ``NNNN_NAME.json``; it survives a loss of power.

    Raises:
        InputError: if a file cannot have that name.
        OSError: if it cannot be written; no file remains.
    """
    if not name or set(name) & {"/", "\0"}:
        raise InputError(f"a run cannot be saved as {name!r}; give a name without '/'")
    text = strict_json(run, indent=1)
    make_folder(folder)
    with temporary_file(text.encode(), folder) as temporary:
        target = _save_numbered(temporary, folder, name)
    sync_folder(folder)
    return target


def overwrite_run(run: dict[str, Any], path: Path) -> None:
    """Writes a run to a file whole or not at all, and replaces an existing file.

    Raises:
        OSError: if it cannot be written; an existing file is unchanged.
    """
    atomic_write(path, strict_json(run, indent=1).encode())
    sync_folder(path.parent)


def strict_json(value: Any, *, indent: int | None = None) -> str:
    """JSON text that every parser can read.

    NaN and infinities, which JSON cannot hold, become null; a lone surrogate is spelled out.
    """
    try:
        text = json.dumps(value, allow_nan=False, indent=indent, default=str)
    except ValueError:
        text = json.dumps(_finite(value), allow_nan=False, indent=indent, default=str)
    if _SURROGATE in text.lower():  # a pair of surrogates is a character, which json joins
        text = json.dumps(whole_text(json.loads(text)), indent=indent)
    return text


def make_folder(folder: Path) -> None:
    """Makes a folder that survives a loss of power."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Syncs the names in a folder, so that they survive a loss of power, if its file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _save_numbered(temporary: Path, folder: Path, name: str) -> Path:
    number = max(_numbers(folder), default=0) + 1
    while True:
        target = folder / f"{number:04d}_{name}.json"
        with _reserved(folder, number) as free:
            if free and _linked(temporary, target):
                return target
        number += 1


@contextmanager
def _reserved(folder: Path, number: int) -> Iterator[bool]:
    """Reserves a number; False if another saver has reserved it or a run has it."""
    claim = folder / f".claim-{number}"
    try:
        os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        yield False
        return
    try:
        yield number not in set(_numbers(folder))
    finally:
        claim.unlink()


def _linked(temporary: Path, target: Path) -> bool:
    """Gives a file its name; False if that name was taken meanwhile."""
    try:
        # A link, unlike a rename, fails if the name exists: there are savers without claims.
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            return False
        temporary.rename(target)
    return True


def runs(folder: Path) -> list[Path]:
    """Runs of one machine's folder by their numbers; none of them is opened."""
    return [folder / name for _, name in sorted(_numbered(folder))]


def saved_runs(storage: Path) -> list[Path]:
    """Runs of all machines, machine by machine, by their numbers."""
    return [run for folder in machines(storage) for run in runs(folder)]


def machines(storage: Path) -> list[Path]:
    """Folders of a storage, one for each machine; none without a storage."""
    return sorted(path for path in storage.iterdir() if path.is_dir()) if storage.is_dir() else []


def no_run(storage: Path) -> InputError:
    """Returns the error for a storage without a run."""
    return InputError(f"no saved run under {str(storage)!r}; {MAKE_ONE}")


def latest(storage: Path) -> Path:
    """Latest run: of a machine the run with the largest number, of several machines the newest.

    Raises:
        InputError: if there is none.
    """
    newest = [largest for folder in machines(storage) if (largest := latest_in(folder))]
    if not newest:
        raise no_run(storage)
    return max(newest, key=lambda path: path.stat().st_mtime_ns)


def latest_in(folder: Path) -> Path | None:
    """Run of one machine's folder with the largest number; no run is opened."""
    files = ((number, name) for number, name in _numbered(folder) if (folder / name).is_file())
    _, name = max(files, default=(0, None))
    return folder / name if name else None


def number_of(path: Path) -> int:
    """Number of a run's file; 0 if it is not named like one."""
    numbered = _NUMBERED.fullmatch(path.name)
    return int(numbered.group(1)) if numbered else 0


def _numbers(folder: Path) -> Iterator[int]:
    return (number for number, _ in _numbered(folder))


def _numbered(folder: Path) -> Iterator[tuple[int, str]]:
    for name in os.listdir(folder):  # noqa: PTH208 (names alone: a tenth of the time)
        if numbered := _NUMBERED.fullmatch(name):
            yield int(numbered.group(1)), name
