"""Which code a run measures: the revision, and what was not committed."""

import hashlib
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PLAIN = ("--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--no-relative")


@dataclass(frozen=True)
class Code:
    """What two parts of one run must share.

    Attributes:
        commit: the revision, as a saved run's ``commit_info`` has it.
        dirty: whether anything in version control had changed since.
        digest: of these changes and of the test files, see `digest`.
    """

    commit: str
    dirty: bool
    digest: str


def digest(files: Iterable[Path], folder: Path) -> str:
    """Returns a digest of what is not committed, and of files that may never have been.

    Other files outside version control, such as a module that git ignores, are not seen.

    Args:
        files: those with the tests.
        folder: one of the working tree; the digest is of the files alone if it is in none.
    """
    found = hashlib.sha256(_changes(folder))
    for path in sorted(set(files)):
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


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
