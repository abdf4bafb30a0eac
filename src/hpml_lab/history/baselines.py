"""The saved run that a gate compares with, found by what a user calls it."""

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hpml_lab.errors import InputError
from hpml_lab.history.git import commit_of
from hpml_lab.history.run import LARGEST_FILE_BYTES

LATEST = "latest"
_SAVED = re.compile(r"(\d+)_(.+)\.json")
_SHOWN = 5


@dataclass(frozen=True)
class Saved:
    """A run by the name of its file, ``NUMBER_NAME.json``."""

    number: int
    name: str
    path: Path


@dataclass(frozen=True)
class _Commit:
    id: str = ""
    dirty: bool = False


@dataclass(frozen=True)
class _Committed:
    commit_info: _Commit = _Commit()


def saved_in(folder: Path) -> list[Saved]:
    """Returns a machine's runs by number, the lowest first; none if there is no such folder."""
    paths = folder.iterdir() if folder.is_dir() else ()
    named = ((path, _SAVED.fullmatch(path.name)) for path in paths)
    found = [Saved(int(match[1]), match[2], path) for path, match in named if match]
    return sorted(found, key=lambda saved: (saved.number, saved.name))


def find_baseline(wanted: str, folder: Path, at: Path) -> Path:
    """Returns the file of a baseline; the first of these that fits.

    1. a file, wherever it is; one whose name ends in ``.json`` is nothing else;
    2. ``latest``: the highest number in the machine's folder;
    3. a number: the run with it;
    4. a name: the latest run of that name, or the file's name without ``.json``;
    5. a git revision: the latest run of exactly that commit, made without uncommitted changes.

    Args:
        wanted: what the user calls it.
        folder: of the machine's runs.
        at: where a relative file is looked for, in the repository of a revision.

    Raises:
        InputError: if nothing fits; says what there is, and how to save a baseline.
    """
    if not wanted:
        raise InputError(f"no baseline is named; {_offer(saved_in(folder), folder)}")
    files = [at / wanted, folder / wanted]
    for file in files:
        if file.is_file():
            return file
    if wanted.endswith(".json"):
        raise InputError(f"no file {wanted!r}; {_offer(saved_in(folder), folder)}")
    runs = saved_in(folder)
    fitting = [saved for saved in runs if _is_called(saved, wanted)]
    return fitting[-1].path if fitting else _of_revision(wanted, runs, folder, at)


def runs_before(baseline: Path, folder: Path, most: int) -> list[Path]:
    """Returns a machine's latest runs besides a baseline, the oldest first.

    Args:
        baseline: the file to leave out.
        folder: of the machine's runs.
        most: how many at most.
    """
    others = [saved.path for saved in saved_in(folder) if not saved.path.samefile(baseline)]
    return others[-most:]


def _is_called(saved: Saved, wanted: str) -> bool:
    if wanted == LATEST:
        return True
    if wanted.isascii() and wanted.isdigit():
        return saved.number == int(wanted)
    return wanted in (saved.name, saved.path.stem)


def _of_revision(wanted: str, runs: list[Saved], folder: Path, at: Path) -> Path:
    try:
        commit = commit_of(wanted, at)
    except InputError:
        raise InputError(
            f"no baseline {wanted!r} is a file, number, name or git revision here; "
            f"{_offer(runs, folder)}"
        ) from None
    for saved in reversed(runs):
        made_at = _commit(saved.path)
        if made_at.id == commit and not made_at.dirty:
            return saved.path
    raise InputError(
        f"no run of commit {commit[:12]} without uncommitted changes is saved; "
        f"{_offer(runs, folder)}"
    )


def _commit(path: Path) -> _Commit:
    """Returns the commit that a run was made at; an empty one if the file does not say."""
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            return _Commit()
        return msgspec.json.decode(path.read_bytes(), type=_Committed).commit_info
    except (OSError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _Commit()


def _offer(runs: list[Saved], folder: Path) -> str:
    if not runs:
        return (
            f"this machine has no saved run under {str(folder)!r}; make one on the baseline's code "
            "with the same command and --benchmark-save=NAME"
        )
    stems = ", ".join(saved.path.stem for saved in runs[-_SHOWN:])
    return f"{str(folder)!r} has {len(runs)}, the latest: {stems}"
