"""Which machine this is: what makes it comparable, which unit it is, and how it is just now."""

import hashlib
import os
import platform
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from hpml_lab.measure.gpus import Gpu, gpus
from hpml_lab.units import GIB


@dataclass(frozen=True)
class Identity:
    """What two machines must share for their seconds to be comparable. No live value is in it.

    Attributes:
        cpu: model name.
        cpu_count: logical processors.
        memory_gib: installed, to the nearest GiB.
        gpu: model name; None without a GPU.
        gpu_count: how many.
        gpu_memory_gib: of one, to the nearest GiB; 0 where the driver does not say.
        mig: whether GPUs are split into instances.
    """

    cpu: str
    cpu_count: int
    memory_gib: int
    gpu: str | None
    gpu_count: int
    gpu_memory_gib: int
    mig: bool

    @property
    def id(self) -> str:
        """The name of the machine's folder: readable, and different for any other identity."""
        count, model = (
            (f"{self.gpu_count}gpu", self.gpu) if self.gpu else (f"{self.cpu_count}cpu", self.cpu)
        )
        digest = hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()
        return f"{re.sub(r'[^a-z0-9]+', '-', model.lower()).strip('-')}-{count}-{digest[:8]}"


@dataclass(frozen=True)
class Unit:
    """Which of the machines with one identity this is."""

    host: str
    gpu_uuids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class State:
    """How the machine was at one moment.

    Attributes:
        load_1min: runnable processes, mean of the last minute.
        cpu_mhz: mean clock; None if unknown.
        governor: the clock's policy; None if unknown.
        gpu: clocks in MHz, degrees Celsius and throttle mask of each GPU.
    """

    load_1min: float
    cpu_mhz: float | None
    governor: str | None
    gpu: list[dict[str, int | None]] = field(default_factory=list)


def identity(found: list[Gpu] | None = None) -> Identity:
    """Returns the identity of this machine.

    Args:
        found: its GPUs, if they were asked for already.
    """
    found = gpus() if found is None else found
    return Identity(
        cpu=_cpu_model(),
        cpu_count=os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / GIB),
        gpu=found[0].model if found else None,
        gpu_count=len(found),
        gpu_memory_gib=round((found[0].memory_bytes or 0) / GIB) if found else 0,
        mig=any(gpu.mig for gpu in found),
    )


def state() -> State:
    """Returns how this machine is now."""
    frequency = psutil.cpu_freq()
    live = ("sm_clock_mhz", "memory_clock_mhz", "temperature_c", "throttle_reasons")
    return State(
        load_1min=psutil.getloadavg()[0],
        cpu_mhz=frequency.current if frequency else None,
        governor=_first_line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        gpu=[{name: getattr(gpu, name) for name in live} for gpu in gpus()],
    )


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    named = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return named.group(1).strip() if named else platform.processor() or platform.machine()


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
