"""What it costs to read a data set from storage rather than from the page cache."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from hpml_lab.measure.clock import Clock

LEAST_SHARE = 0.9  # of the files' bytes that must have come from storage


def fetch_s(read: Callable[[], object], files: list[Path], clock: Clock) -> float | None:
    """Returns by how many seconds a cold read is longer than a warm one.

    Args:
        read: opens the data set anew.
        files: that it reads.
        clock: of the host.

    Returns:
        None where the files cannot be made cold: they lie in memory, or came from another cache.
    """
    read()
    warm_s = _timed_s(read, clock)
    for path in files:
        evict_file(path)
    before = storage_read_bytes()
    cold_s = _timed_s(read, clock)
    after = storage_read_bytes()
    if before is None or after is None:
        return None
    cold = after - before >= LEAST_SHARE * sum(path.stat().st_size for path in files)
    return cold_s - warm_s if cold else None


def evict_file(path: Path) -> None:
    """Asks the kernel to forget the cached pages of a file; where it keeps them, nothing changes.

    Raises:
        OSError: if the file cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)  # pages that are not written yet would be kept
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def storage_read_bytes(record: Path = Path("/proc/self/io")) -> int | None:
    """Returns what this process has read from storage so far; None where Linux does not say."""
    try:
        found = re.search(r"^read_bytes: (\d+)$", record.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None


def _timed_s(read: Callable[[], object], clock: Clock) -> float:
    began_s = clock.now_s()
    read()
    return clock.now_s() - began_s
