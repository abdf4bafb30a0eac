"""Time, as a seam: the host's clock, and waiting for the device to finish."""

import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Protocol

from hpml_lab.errors import InputError

_TICKS = 9
_MOST_READINGS = 1_000  # until it moves; one that a test moves does not


class Clock(Protocol):
    """A monotonic clock and the device whose work it times."""

    def now_s(self) -> float:
        """Returns monotonic seconds; only differences mean anything."""
        ...

    def synchronise(self) -> None:
        """Returns when the device has finished all work given to it."""
        ...

    def mark(self) -> Any:
        """Notes a moment in the device's own work; None where the host's time is the device's."""
        ...

    def between_s(self, first: Any, last: Any) -> float | None:
        """Returns the device's seconds between two marks, once it has been waited for."""
        ...


class HostClock:
    """The clock of a device that finishes its work before the call returns."""

    def now_s(self) -> float:
        """Returns monotonic seconds with nanosecond resolution."""
        return time.perf_counter_ns() * 1e-9

    def synchronise(self) -> None:
        """Does nothing: there is nothing to wait for."""

    def mark(self) -> Any:
        """Returns None."""
        return None

    def between_s(self, first: Any, last: Any) -> float | None:  # noqa: ARG002
        """Returns None: the host has timed it."""
        return None


class DeviceClock(HostClock):
    """The clock of whatever is at work when it is read.

    Accelerators work behind the host's back, and a call may begin to use one that was idle before,
    so each reading asks anew which are in use.

    Args:
        accelerators: gives those in use; a fake stands in where there is none.
    """

    def __init__(self, accelerators: Callable[[], Sequence[Any]] | None = None) -> None:
        self._accelerators = accelerators or in_use

    def synchronise(self) -> None:
        """Waits for all streams of each accelerator in use."""
        for device in self._accelerators():
            sys.modules["torch"].accelerator.synchronize(device)

    def mark(self) -> Any:
        """Returns an event behind the work given to CUDA's current stream; None without CUDA."""
        if not any(device.type == "cuda" for device in self._accelerators()):
            return None
        event = sys.modules["torch"].cuda.Event(enable_timing=True)
        event.record()
        return event

    def between_s(self, first: Any, last: Any) -> float | None:
        """Returns the seconds between two events of the device; None where there are not two."""
        if first is None or last is None:
            return None
        return float(first.elapsed_time(last)) * 1e-3


def in_use() -> list[Any]:
    """Returns the devices of the accelerator that this process has work on, the current one first.

    Returns:
        `torch.device` of each; none where torch is not imported or no accelerator has been used.
    """
    torch = sys.modules.get("torch")  # who has not imported it has nothing on a device
    if torch is None or not _is_begun(torch):
        return []
    current = torch.accelerator.current_device_index()
    kind = torch.accelerator.current_accelerator().type
    others = range(torch.accelerator.device_count())
    held = [index for index in others if index != current and _is_held(torch, kind, index)]
    return [torch.device(kind, index) for index in (current, *held)]


def _is_begun(torch: Any) -> bool:
    if not torch.accelerator.is_available():
        return False
    module = torch.get_device_module(torch.accelerator.current_accelerator())
    begun = getattr(module, "is_initialized", None)
    return bool(begun()) if begun else True


def _is_held(torch: Any, kind: str, index: int) -> bool:
    """Returns whether a device holds memory of ours; to wait for another would start it."""
    reserved = getattr(torch.get_device_module(kind), "memory_reserved", None)
    return bool(reserved and reserved(index))


def clock_for(*devices: object) -> Clock:
    """Returns the clock for work on the given devices, and on any that the work begins to use.

    Args:
        *devices: names or `torch.device`, such as ``cpu`` or ``cuda:0``.

    Raises:
        InputError: for a device that cannot be waited for, so that its work cannot be timed.
    """
    for kind in sorted({str(device).partition(":")[0] for device in devices} - {"cpu"}):
        if kind != (known := _accelerator()):
            here = f"cpu and {known}" if known else "cpu"
            raise InputError(
                f"device {kind!r} cannot be waited for, so work on it cannot be timed; this torch "
                f"can wait for: {here}"
            )
    return DeviceClock()


def _accelerator() -> str | None:
    """Returns the kind of accelerator that torch was built for; None if for none."""
    import torch  # whoever times a step without it does not wait for its import

    found = torch.accelerator.current_accelerator()
    return found.type if found else None


def tick_s(clock: Clock) -> float:
    """Returns the least time that can be read: a clock's resolution or its cost, what is more.

    Returns:
        the median of a few; 0 of a clock that stands still.
    """
    return median(_one_tick_s(clock) for _ in range(_TICKS))


def _one_tick_s(clock: Clock) -> float:
    began_s = clock.now_s()
    for _ in range(_MOST_READINGS):
        clock.synchronise()
        if (now_s := clock.now_s()) > began_s:
            return now_s - began_s
    return 0.0
