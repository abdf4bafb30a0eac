"""Git queries: commits, and a digest of uncommitted changes."""

import hashlib
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hpml_lab.errors import InputError


def git(*arguments: str, at: Path) -> str:
    """Output of a git command, without the final newline.

    Args:
        *arguments: arguments of ``git``; a user's own text belongs after ``--end-of-options``.
        at: the folder to run in.

    Raises:
        InputError: if it fails, with git's last line, or if git is not installed.
    """
    command = ["git", "-c", "core.hooksPath=/dev/null", *arguments]  # hooks may change the tree
    try:
        done = subprocess.run(  # noqa: S603 (a fixed command; no shell reads the arguments)
            command, cwd=at, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise InputError(f"git cannot be run in {str(at)!r}: {error.strerror}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise InputError(f"git {arguments[0]} failed in {str(at)!r}: {lines[-1]}")
    return done.stdout.removesuffix("\n")


def commit_of(revision: str, at: Path) -> str:
    """Full hash of a commit.

    Args:
        revision: any name that git takes: a branch, a tag, ``HEAD~2``, the beginning of a hash.
        at: a folder of the repository.

    Raises:
        InputError: if there is no such commit, or no repository.
    """
    root = git("rev-parse", "--show-toplevel", at=at)
    try:
        named = f"{revision}^{{commit}}"
        return git("rev-parse", "--verify", "--end-of-options", named, at=at).split()[-1]
    except InputError as error:
        raise InputError(
            f"revision {revision!r} is no commit of {root!r}; fetch it, or see: git log --oneline"
        ) from error


_PLAIN = ("--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--no-relative")


@dataclass(frozen=True)
class Code:
    """Identity of the measured code, which must be the same when a run is resumed.

    Attributes:
        commit: Revision, as in the ``commit_info`` of a saved run.
        dirty: Whether any file in version control had changed since.
        digest: Digest of these changes and of the test files, see `digest`.
    """

    commit: str
    dirty: bool
    digest: str


def digest(files: Iterable[Path], folder: Path) -> str:
    """SHA-256 digest of uncommitted changes, and of files that may not be in version control.

    Other files outside version control, such as a module that git ignores, do not count.

    Args:
        files: the files with the tests.
        folder: a folder of the working tree; outside a repository only the files count.
    """
    sha = hashlib.sha256(_changes(folder))
    for path in sorted(set(files)):
        sha.update(hashlib.sha256(path.read_bytes()).digest())
    return sha.hexdigest()


def _changes(folder: Path) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "diff", "HEAD", *_PLAIN],  # noqa: S607 (whichever git the user has)
            cwd=folder,
            capture_output=True,
            check=False,
        )
    except OSError:
        return b""
    return done.stdout if done.returncode == 0 else b""
