"""Time, as a seam: the host's clock, and waiting for the device to finish."""

import time
from statistics import median
from typing import Any, Protocol

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


class CudaClock(HostClock):
    """The clock of the current CUDA device, which works behind the host's back."""

    def __init__(self) -> None:
        import torch  # whoever times a step without it does not wait for its import

        self._synchronise = torch.cuda.synchronize
        self._event = torch.cuda.Event

    def synchronise(self) -> None:
        """Waits for all streams of the current CUDA device."""
        self._synchronise()

    def mark(self) -> Any:
        """Returns an event behind the work given to the current stream so far."""
        event = self._event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def between_s(self, first: Any, last: Any) -> float | None:
        """Returns the seconds between two events of the device."""
        return float(first.elapsed_time(last)) * 1e-3


def clock_for(device: str) -> Clock:
    """Returns the clock of ``cpu`` or ``cuda``."""
    return CudaClock() if device == "cuda" else HostClock()


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
