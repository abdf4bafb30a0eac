"""Measurement of stalls: cold reads of a data set, and epochs without loading."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpml_lab.measure.clock import Clock
from hpml_lab.measure.epochs import run_epoch
from hpml_lab.theory.loading import stalls

if TYPE_CHECKING:
    from torch import Tensor

    from hpml_lab.measure.clock import Clock
    from hpml_lab.training.trainer import Trainer


LEAST_SHARE = 0.9  # smallest share of the files' bytes that a cold read must read from storage


def fetch_s(read: Callable[[], object], files: list[Path], clock: Clock) -> float | None:
    """Returns the additional seconds of a cold read over a warm one.

    Args:
        read: reads the data set.
        files: the files of the data set.
        clock: the clock of the host.

    Returns:
        None if the files cannot be evicted: they are in memory, or in another cache.
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
    """Asks the kernel to drop the cached pages of a file, which it may ignore.

    Raises:
        OSError: if the file cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)  # pages that are not written yet would stay cached
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def storage_read_bytes(record: Path = Path("/proc/self/io")) -> int | None:
    """Returns the bytes this process has read from storage; None if Linux does not report them."""
    try:
        match = re.search(r"^read_bytes: (\d+)$", record.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(match[1]) if match else None


def _timed_s(read: Callable[[], object], clock: Clock) -> float:
    began_s = clock.now_s()
    read()
    return clock.now_s() - began_s


class Ready:
    """A trainer with all batches of an epoch on the device, which must have memory for them.

    Args:
        trainer: the trainer; its loader is iterated once, and its steps are run.

    Attributes:
        loader: list of the batches.
    """

    def __init__(self, trainer: "Trainer") -> None:
        self.loader = [trainer.to_device(batch) for batch in trainer.loader]
        self._trainer = trainer

    def to_device(self, batch: Any) -> Any:
        """Returns the batch, which is on the device already."""
        return batch

    def step(self, batch: Any) -> "tuple[Tensor, Tensor]":
        """Runs the trainer's step."""
        return self._trainer.step(batch)


def ready_epochs_s(ready: Ready, clock: "Clock", epochs: int) -> list[float]:
    """Returns the seconds of epochs without loading and copying, device work included.

    Args:
        ready: the trainer and its batches.
        clock: the clock of its device.
        epochs: number of epochs.
    """
    return [run_epoch(ready, clock, timing="throughput").total_s for _ in range(epochs)]


def stall_record(ready_s: float, cached_s: float, cold_s: float | None = None) -> dict[str, float]:
    """Returns the saved record of the stalls of an epoch; see `theory.loading.stalls`.

    Returns:
        ``ready_s``, ``cached_s``, ``prep_stall_s`` and ``accelerator_utilisation``; with a cold
        epoch also ``cold_s`` and ``fetch_stall_s``.

    Raises:
        InputError: for a time that is not above 0.
    """
    result = stalls(ready_s, cached_s, cold_s)
    record = {
        "ready_s": ready_s,
        "cached_s": cached_s,
        "prep_stall_s": result.prep_s,
        "accelerator_utilisation": result.utilisation,
    }
    if cold_s is not None and result.fetch_s is not None:
        record |= {"cold_s": cold_s, "fetch_stall_s": result.fetch_s}
    return record
