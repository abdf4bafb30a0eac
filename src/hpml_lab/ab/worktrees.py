"""Revisions in folders of their own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hpml_lab.errors import InputError
from hpml_lab.history.git import git


@contextmanager
def worktree(repository: Path, commit: str, folder: Path) -> Iterator[Path]:
    """Checks a commit out into a new folder, and removes it in the end, whatever happens.

    Args:
        repository: any folder of it.
        commit: its hash.
        folder: must not exist.

    Raises:
        InputError: if git cannot.
    """
    try:
        git("worktree", "add", "--quiet", "--detach", str(folder), commit, at=repository)
        yield folder
    finally:
        with suppress(InputError):  # it may not have come to be
            git("worktree", "remove", "--force", str(folder), at=repository)
        shutil.rmtree(folder, ignore_errors=True)
        git("worktree", "prune", at=repository)
