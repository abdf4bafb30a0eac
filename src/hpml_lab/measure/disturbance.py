"""What the machine did to a measurement: time given to others, clocks held back."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hpml_lab.measure.gpus import gpus
from hpml_lab.units import percent

LARGEST_WAIT = 0.05
_PROC = Path("/proc")
# nvml.h: hardware, software thermal, hardware thermal, power brake. The power cap (0x04) is where
# a busy GPU is meant to run.
_HELD_BACK = 0x08 | 0x20 | 0x40 | 0x80


@dataclass(frozen=True)
class Conditions:
    """The machine at one moment.

    Attributes:
        now_s: when; only differences mean anything.
        waited_s: for how long in all the main thread could have run and had no processor.
        throttled: NVML's mask of why clocks are held back, for each GPU.
    """

    now_s: float
    waited_s: float
    throttled: tuple[int, ...] = ()


def conditions(device: str, proc: Path = _PROC) -> Conditions:
    """Returns the conditions now; a GPU is asked where it is what works."""
    masks = [gpu.throttle_reasons or 0 for gpu in gpus()] if device == "cuda" else []
    return Conditions(time.monotonic(), _waited_s(proc), tuple(masks))


def disturbances(before: Conditions, after: Conditions) -> Iterator[str]:
    """Yields what happened between two moments that times do not speak of the step alone."""
    spent_s = after.now_s - before.now_s
    waited = (after.waited_s - before.waited_s) / spent_s if spent_s > 0 else 0.0
    if waited > LARGEST_WAIT:
        yield (f"load by others: {percent(waited)} of the time was spent waiting for a processor")
    for index, mask in enumerate(after.throttled):
        if mask & _HELD_BACK:
            yield f"throttling: the clocks of GPU {index} were held back (reasons {mask:#x})"


def _waited_s(proc: Path) -> float:
    """Returns the run delay of the main thread; 0 where the kernel does not tell."""
    try:
        return int((proc / "self" / "schedstat").read_text().split()[1]) * 1e-9
    except (OSError, IndexError, ValueError):
        return 0.0
