"""Disturbances of a measurement: load by other processes, throttling of processors and GPUs."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpml_lab.measure.clock import in_use
from hpml_lab.measure.gpus import gpus
from hpml_lab.measure.load import CROWDED, LARGEST_LOAD, LARGEST_WAIT, NOBODY, Busy, busy
from hpml_lab.measure.turns import in_turns
from hpml_lab.units import percent

_PROC = Path("/proc")
_SYS = Path("/sys")
# nvml.h: hardware, software thermal, hardware thermal, power brake. A busy GPU normally runs at the
# power cap (0x04).
_HELD_BACK = 0x08 | 0x20 | 0x40 | 0x80


@dataclass(frozen=True)
class Conditions:
    """Counters of the machine at one moment.

    Attributes:
        now_s: Monotonic time; only differences are meaningful.
        waited_s: Total time that the main thread was runnable without a processor.
        throttled: NVML's mask of throttle reasons, for each GPU.
        held_back_s: Total time that the clocks of each GPU were throttled.
        quota_s: Total time that the CPU quota of the container was used up.
        too_hot: Total number of thermal throttlings of the processors.
        busy: Processor time of all processes, and of this one.
    """

    now_s: float
    waited_s: float
    throttled: tuple[int, ...] = ()
    held_back_s: tuple[float, ...] = ()
    quota_s: float = 0.0
    too_hot: int = 0
    busy: Busy = NOBODY


def conditions(
    devices: Iterable[Any] | None = None, proc: Path = _PROC, sys: Path = _SYS
) -> Conditions:
    """Returns the conditions now.

    Args:
        devices: Accelerators in use; those of `measure.clock.in_use` by default. GPUs are read if
            one of them is a CUDA device.
        proc: Folder of the process file system.
        sys: Folder of the system file system.
    """
    at_work = in_use() if devices is None else devices
    on_gpu = any(device.type == "cuda" for device in at_work)
    boards = gpus() if on_gpu else []
    return Conditions(
        now_s=time.monotonic(),
        waited_s=_waited_s(proc),
        throttled=tuple(gpu.throttle_reasons or 0 for gpu in boards),
        held_back_s=tuple(1e-9 * (gpu.held_back_ns or 0) for gpu in boards),
        quota_s=_quota_s(proc, sys),
        too_hot=_too_hot(sys),
        # The rounds of the partner process are no load by others.
        busy=NOBODY if in_turns() else busy(proc),
    )


def disturbances(before: Conditions, after: Conditions) -> Iterator[str]:
    """Yields one sentence for each disturbance between two moments."""
    waited = _share(after.waited_s - before.waited_s, before, after)
    others = before.busy.others(after.busy)
    if _is_crowded(before, after):
        yield f"load by others: they took {percent(others or 0.0)} of all processors"
    elif waited > LARGEST_WAIT and others is None:
        yield f"load by others: {percent(waited)} of the time was spent waiting for a processor"
    elif waited > LARGEST_WAIT:
        yield (
            f"too few processors: {percent(waited)} of the time was spent waiting for one that "
            "threads or workers of its own held"
        )
    yield from _throttling(before, after)


def is_disturbed(before: Conditions, after: Conditions) -> bool | None:
    """Whether load by others or throttling affected the times between two moments.

    Returns:
        None if the load by others is unknown, as after a short time.
    """
    if _is_crowded(before, after) or any(_throttling(before, after)):
        return True
    return None if before.busy.others(after.busy) is None else False


def _is_crowded(before: Conditions, after: Conditions) -> bool:
    """Whether others took processors while most processors were busy."""
    others, taken = before.busy.others(after.busy), before.busy.taken(after.busy)
    return others is not None and others > LARGEST_LOAD and taken > CROWDED


def _throttling(before: Conditions, after: Conditions) -> Iterator[str]:
    held_back = _share(after.quota_s - before.quota_s, before, after)
    if held_back > LARGEST_WAIT:
        yield (
            f"throttling: for {percent(held_back)} of the time the processor quota of the "
            "container was used up"
        )
    if after.too_hot > before.too_hot:
        times = after.too_hot - before.too_hot
        yield f"throttling: processors slowed down for heat {times} times"
    for index, mask in enumerate(after.throttled):
        if mask & _HELD_BACK:
            yield f"throttling: the clocks of GPU {index} were held back (reasons {mask:#x})"
    # The mask is read after the work, when the GPU may be idle already; this is a sum.
    for index, (first, last) in enumerate(zip(before.held_back_s, after.held_back_s, strict=False)):
        share = _share(last - first, before, after)
        if share > LARGEST_WAIT:
            shown = percent(share)
            yield f"throttling: for {shown} of the time the clocks of GPU {index} were held back"


def _share(seconds: float, before: Conditions, after: Conditions) -> float:
    spent_s = after.now_s - before.now_s
    return seconds / spent_s if spent_s > 0 else 0.0


def _waited_s(proc: Path) -> float:
    """Returns the run delay of the main thread; 0 if the kernel does not report it."""
    try:
        return int((proc / "self" / "schedstat").read_text().split()[1]) * 1e-9
    except (OSError, IndexError, ValueError):
        return 0.0


def _quota_s(proc: Path, sys: Path) -> float:
    """Returns the throttled time of this process's control group; 0 without a quota."""
    try:
        groups = (proc / "self" / "cgroup").read_text().splitlines()
        group = next(line.removeprefix("0::/") for line in groups if line.startswith("0::"))
        stat = (sys / "fs" / "cgroup" / group / "cpu.stat").read_text()
        return int(dict(line.split() for line in stat.splitlines())["throttled_usec"]) * 1e-6
    except (OSError, StopIteration, KeyError, ValueError):
        return 0.0


def _too_hot(sys: Path) -> int:
    """Returns the number of thermal throttlings; 0 if the kernel does not report them."""
    counts = sys.glob("devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count")
    try:
        return sum(int(path.read_text()) for path in counts)
    except (OSError, ValueError):
        return 0
