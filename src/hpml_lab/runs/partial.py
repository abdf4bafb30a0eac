"""Parts of a saved run, decoded without the rest: for a trend, a listing, a baseline.

Each is a part of `runs.schema.Run` or of what pytest-benchmark saves beside it; all else in a file
is passed over without making an object. A test holds the names against the schema.
"""

from datetime import datetime

import msgspec


class BriefStats(msgspec.Struct, gc=False):
    """The statistics that a case is judged by where it has no record of ours."""

    median: float


class BriefRecord(msgspec.Struct, gc=False):
    """The rounds and counters of our record."""

    processes: list[list[float]]
    counters: dict[str, int] = {}


class BriefExtraInfo(msgspec.Struct, gc=False):
    """What a test added."""

    hpml: BriefRecord | None = None


class BriefBenchmark(msgspec.Struct, gc=False):
    """One benchmark."""

    fullname: str
    stats: BriefStats
    extra_info: BriefExtraInfo | None = None


class Processor(msgspec.Struct, gc=False):
    """The model of the processor; ``brand`` until 2020."""

    brand_raw: str = ""
    brand: str = ""


class BriefUnit(msgspec.Struct, gc=False):
    """The host and its GPUs."""

    host: str = ""
    gpu_uuids: list[str] = []


class BriefMachine(msgspec.Struct, gc=False):
    """The name of our machine record, which of its kind it is, and what it does at most."""

    id: str
    unit: BriefUnit | None = None
    ceilings: dict[str, float | None] = {}


class BriefMachineInfo(msgspec.Struct, gc=False):
    """What names the machine."""

    hpml: BriefMachine | None = None
    cpu: Processor | None = None
    node: str = ""


class CommitInfo(msgspec.Struct, gc=False):
    """The revision that was measured."""

    id: str | None = None
    dirty: bool | None = None


class BriefRun(msgspec.Struct, gc=False):
    """What a trend needs of a run."""

    machine_info: BriefMachineInfo
    benchmarks: list[BriefBenchmark]
    time: datetime = msgspec.field(name="datetime")
    commit_info: CommitInfo | None = None


class Nothing(msgspec.Struct):
    """An object of which nothing is read."""


class BriefReplication(msgspec.Struct):
    """How often a run measured its cases, and what it lacks."""

    processes: int = 1
    missing: dict[str, list[int]] = {}


class Head(msgspec.Struct):
    """What a list of runs shows of one."""

    benchmarks: list[Nothing]
    datetime: str = ""
    commit_info: CommitInfo = msgspec.field(default_factory=CommitInfo)
    hpml: BriefReplication = msgspec.field(default_factory=BriefReplication)


class Committed(msgspec.Struct):
    """The revision of a run, whatever else is in its file."""

    commit_info: CommitInfo = msgspec.field(default_factory=CommitInfo)
