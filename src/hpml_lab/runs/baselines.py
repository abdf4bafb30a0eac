"""The baseline of a gate: a saved run, by the name, number or revision that a user gives."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from hpml_lab.errors import InputError
from hpml_lab.runs.partial import CommitInfo, Committed
from hpml_lab.runs.reading import LARGEST_FILE_BYTES
from hpml_lab.runs.revision import commit_of
from hpml_lab.runs.store import number_of, runs

LATEST = "latest"
_SHOWN = 5


def find_baseline(wanted: str, folders: Sequence[Path], at: Path) -> Path:
    """File of a baseline; the first of these that fits.

    1. a file, wherever it is; a name that ends in ``.json`` is always a file;
    2. ``latest``: the highest number in the machine's folder;
    3. a number: the run with it;
    4. a name: the latest run of that name, or the file's name without ``.json``;
    5. a git revision: the latest run of exactly that commit, made without uncommitted changes.

    Args:
        wanted: the name that the user gave.
        folders: folders of the machine's runs; a later one counts if no earlier one has a run that
            fits.
        at: folder of a relative file, in the repository of a revision.

    Raises:
        InputError: if nothing fits; names the saved runs, and how to save a baseline.
    """
    first = folders[0]
    saved = [path for folder in reversed(folders) for path in _saved_in(folder)]
    if not wanted:
        raise InputError(f"no baseline is named; {_offer(saved, first)}")
    for file in (at / wanted, *(folder / wanted for folder in folders)):
        if _is_file(file):
            return file
    if wanted.endswith(".json"):
        raise InputError(f"no file {wanted!r}; {_offer(saved, first)}")
    fitting = [path for path in saved if _is_called(path, wanted)]
    return fitting[-1] if fitting else _of_revision(wanted, saved, first, at)


def runs_before(baseline: Path, folder: Path, most: int) -> list[Path]:
    """A machine's latest runs without the baseline, oldest first.

    Args:
        baseline: the file to leave out.
        folder: folder of the machine's runs.
        most: largest number of runs.
    """
    return [path for path in _saved_in(folder) if not path.samefile(baseline)][-most:]


def _is_file(path: Path) -> bool:
    try:
        return path.exists() and not path.is_dir()
    except OSError:  # a name that is too long for one
        return False


def _saved_in(folder: Path) -> list[Path]:
    return runs(folder) if folder.is_dir() else []


def _is_called(path: Path, wanted: str) -> bool:
    if wanted == LATEST:
        return True
    if wanted.isascii() and wanted.isdigit():
        return number_of(path) == int(wanted)
    return wanted in (path.stem, path.stem.partition("_")[2])


def _of_revision(wanted: str, saved: list[Path], folder: Path, at: Path) -> Path:
    try:
        commit = commit_of(wanted, at)
    except InputError as error:
        raise InputError(
            f"no baseline {wanted!r} is a file, number, name or git revision here ({error}); "
            f"{_offer(saved, folder)}"
        ) from None
    for path in reversed(saved):
        made_at = _commit(path)
        if made_at.id == commit and not made_at.dirty:
            return path
    raise InputError(
        f"no run of commit {commit[:12]} without uncommitted changes is saved; "
        f"{_offer(saved, folder)}"
    )


def _commit(path: Path) -> CommitInfo:
    """Commit at which a run was made; an empty one if the file does not have it."""
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            return CommitInfo()
        return msgspec.json.decode(path.read_bytes(), type=Committed).commit_info
    except (OSError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return CommitInfo()


def _offer(saved: list[Path], folder: Path) -> str:
    if not saved:
        return (
            f"this machine has no saved run under {str(folder)!r}; make one on the baseline's code "
            "with the same command and --benchmark-save=NAME"
        )
    stems = ", ".join(path.stem for path in saved[-_SHOWN:])
    return f"{str(folder)!r} has {len(saved)}, the latest: {stems}"
