"""What is asked of git."""

import subprocess
from pathlib import Path

from hpml_lab.errors import InputError


def git(*arguments: str, at: Path) -> str:
    """Returns what a git command prints, without the last line's end.

    Args:
        *arguments: behind ``git``; a user's own text belongs behind ``--end-of-options``.
        at: the folder to run in.

    Raises:
        InputError: if it fails, with git's last line; also without git.
    """
    command = ["git", "-c", "core.hooksPath=/dev/null", *arguments]  # hooks may change the tree
    try:
        done = subprocess.run(  # noqa: S603 (a fixed command; no shell reads the arguments)
            command, cwd=at, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise InputError(f"git cannot be run in {str(at)!r}: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise InputError(f"git {arguments[0]} failed in {str(at)!r}: {said[-1]}")
    return done.stdout.removesuffix("\n")


def commit_of(revision: str, at: Path) -> str:
    """Returns the full hash of a commit.

    Args:
        revision: as git takes it: a branch, a tag, ``HEAD~2``, the beginning of a hash.
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
