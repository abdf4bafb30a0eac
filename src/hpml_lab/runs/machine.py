"""The records of a machine in a saved run: what it is, how it was, what it can do."""

import hashlib
import re
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Identity:
    """Machine class: two machines must share it for their seconds to be comparable.

    It holds no live values.

    Attributes:
        cpu: Model name of the processor.
        cpu_count: Number of logical processors.
        memory_gib: Installed memory, to the nearest GiB.
        gpu: Model name of the GPU; None without a GPU.
        gpu_count: Number of GPUs.
        gpu_memory_gib: Memory of one GPU, to the nearest GiB; 0 if the driver does not report it.
        mig: Whether GPUs are split into instances.
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
    """One of the machines with the same identity.

    Attributes:
        host: Its host name.
        gpu_uuids: UUIDs of its GPUs.
    """

    host: str
    gpu_uuids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class State:
    """State of the machine at one moment.

    Attributes:
        load_1min: Number of runnable processes, mean of the last minute.
        cpu_mhz: Mean clock rate; None if unknown.
        governor: Frequency governor; None if unknown.
        gpu: Clocks in MHz, degrees Celsius and throttle mask of each GPU.
    """

    load_1min: float
    cpu_mhz: float | None
    governor: str | None
    gpu: list[dict[str, int | None]] = field(default_factory=list)


@dataclass(frozen=True)
class Machine:
    """The machine that made a run; see `measure.fingerprint`, and `measure.probe` of its GPU."""

    id: str
    identity: Identity
    unit: Unit
    software: dict[str, str | None]
    state: dict[str, State]
    ceilings: dict[str, float | None] = field(default_factory=dict)
    probe: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Cpu:
    """py-cpuinfo's record of the processor, as far as it names a machine; ``brand`` until 2020."""

    brand_raw: str = ""
    brand: str = ""
    count: int = 0

    @property
    def name(self) -> str:
        """The processor's model."""
        return self.brand_raw or self.brand


@dataclass(frozen=True)
class MachineInfo:
    """pytest-benchmark's machine record; ``hpml`` is None in a stock file."""

    hpml: Machine | None = None
    system: str = ""
    machine: str = ""
    processor: str = ""
    python_version: str = ""
    python_implementation: str = ""
    cpu: Cpu = field(default_factory=Cpu)
