"""Files that are there whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written(content: bytes, folder: Path) -> Iterator[Path]:
    """Yields a temporary file that is on the disk; afterwards there is none of its name.

    Raises:
        OSError: if it cannot be written; nothing is left behind.
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


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file in place of what is there.

    Raises:
        OSError: if it cannot be written; what was there still is.
    """
    with written(content, path.parent) as temporary:
        temporary.replace(path)
