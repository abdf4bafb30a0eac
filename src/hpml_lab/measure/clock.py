"""Clocks: monotonic host time, device synchronisation, and device events."""

import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Protocol

from hpml_lab.errors import InputError

_TICKS = 9
_MOST_READINGS = 1_000  # until the clock advances; a test's clock may stand still


class Clock(Protocol):
    """A monotonic clock and the device whose work it times."""

    def now_s(self) -> float:
        """Returns monotonic seconds; only differences are meaningful."""
        ...

    def synchronise(self) -> None:
        """Blocks until the device has finished all submitted work."""
        ...

    def mark(self) -> Any:
        """Records an event in the device's stream; None where host time is device time."""
        ...

    def between_s(self, first: Any, last: Any) -> float | None:
        """Returns the device seconds between two marks, after a synchronisation."""
        ...


class HostClock:
    """The clock of a device that finishes its work before the call returns."""

    def now_s(self) -> float:
        """Returns monotonic seconds with nanosecond resolution."""
        return time.perf_counter_ns() * 1e-9

    def synchronise(self) -> None:
        """Does nothing: the device is the host."""

    def mark(self) -> Any:
        """Returns None."""
        return None

    def between_s(self, first: Any, last: Any) -> float | None:  # noqa: ARG002
        """Returns None: host time is device time."""
        return None


class DeviceClock(HostClock):
    """A clock that synchronises every accelerator in use.

    Accelerators work asynchronously, and a call may begin to use one that was idle before, so each
    reading looks up which are in use.

    Args:
        accelerators: Returns the accelerators in use; tests pass a fake.
    """

    def __init__(self, accelerators: Callable[[], Sequence[Any]] | None = None) -> None:
        self._accelerators = accelerators or in_use

    def synchronise(self) -> None:
        """Waits for all streams of each accelerator in use."""
        for device in self._accelerators():
            sys.modules["torch"].accelerator.synchronize(device)

    def mark(self) -> Any:
        """Records a CUDA event in the current stream; None without CUDA."""
        if not any(device.type == "cuda" for device in self._accelerators()):
            return None
        event = sys.modules["torch"].cuda.Event(enable_timing=True)
        event.record()
        return event

    def between_s(self, first: Any, last: Any) -> float | None:
        """Returns the seconds between two CUDA events; None if one is missing."""
        if first is None or last is None:
            return None
        return float(first.elapsed_time(last)) * 1e-3


def in_use() -> list[Any]:
    """Returns the accelerator devices that this process uses, the current one first.

    Returns:
        One `torch.device` per device; none if torch is not imported or no accelerator was used.
    """
    torch = sys.modules.get("torch")  # without the import nothing is on a device
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
    """Whether this process holds memory on a device; to synchronise another would start it."""
    reserved = getattr(torch.get_device_module(kind), "memory_reserved", None)
    return bool(reserved and reserved(index))


def clock_for(*devices: object) -> Clock:
    """Returns the clock for work on the given devices, and on any that the work begins to use.

    Args:
        *devices: Names or `torch.device` objects, such as ``cpu`` or ``cuda:0``.

    Raises:
        InputError: for a device that cannot be synchronised, so that its work cannot be timed.
    """
    for kind in sorted({str(device).partition(":")[0] for device in devices} - {"cpu"}):
        if kind != (known := _accelerator()):
            supported = f"cpu and {known}" if known else "cpu"
            raise InputError(
                f"device {kind!r} cannot be waited for, so work on it cannot be timed; this torch "
                f"can wait for: {supported}"
            )
    return DeviceClock()


def _accelerator() -> str | None:
    """Returns the kind of accelerator that torch was built for; None for a CPU build."""
    import torch  # a step without torch does not wait for the import

    device = torch.accelerator.current_accelerator()
    return device.type if device else None


def tick_s(clock: Clock) -> float:
    """Returns the resolution of a clock or the cost of reading it, whichever is larger.

    Returns:
        The median of a few readings; 0 for a clock that stands still.
    """
    return median(_one_tick_s(clock) for _ in range(_TICKS))


def _one_tick_s(clock: Clock) -> float:
    began_s = clock.now_s()
    for _ in range(_MOST_READINGS):
        clock.synchronise()
        if (now_s := clock.now_s()) > began_s:
            return now_s - began_s
    return 0.0
