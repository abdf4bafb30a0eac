"""Atomic file writes: a file exists whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def temporary_file(content: bytes, folder: Path) -> Iterator[Path]:
    """Yields a temporary file, flushed to the disk; removes it afterwards.

    Raises:
        OSError: if it cannot be written; no file remains.
    """
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".saving-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp's 0600 would hide it from others
        yield Path(temporary)
    finally:
        Path(temporary).unlink(missing_ok=True)


def atomic_write(path: Path, content: bytes) -> None:
    """Writes a file atomically, in place of any that exists.

    Raises:
        OSError: if it cannot be written; an existing file is unchanged.
    """
    with temporary_file(content, path.parent) as temporary:
        temporary.replace(path)


def cache_folder() -> Path:
    """Returns the user's cache folder for this library: ``$XDG_CACHE_HOME/hpml_lab``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "hpml_lab"
