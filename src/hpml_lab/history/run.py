"""A saved run, read back: pytest-benchmark's own JSON, with or without our record in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hpml_lab.errors import RunFileError
from hpml_lab.measure.machine import Identity, State, Unit
from hpml_lab.measure.record import Failure, Measurement
from hpml_lab.text import whole_text

LARGEST_FILE_BYTES = 256 * 2**20

T = TypeVar("T")


@dataclass(frozen=True)
class Machine:
    """The machine that made a run; see `measure.machine`, and `measure.probe` of its GPU."""

    id: str
    identity: Identity
    unit: Unit
    software: dict[str, str | None]
    state: dict[str, State]
    ceilings: dict[str, float | None] = field(default_factory=dict)
    probe: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Cpu:
    """What py-cpuinfo says of the processor, as far as it names a machine; ``brand`` until 2020."""

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


@dataclass(frozen=True)
class Stats:
    """Seconds of an iteration over the rounds, as pytest-benchmark summarises them."""

    min: float
    max: float
    mean: float
    stddev: float
    median: float
    rounds: int


@dataclass(frozen=True)
class ExtraInfo:
    """What a test added; ``hpml`` is None in a stock file."""

    hpml: Measurement | None = None


@dataclass(frozen=True)
class Benchmark:
    """One benchmark of a run."""

    name: str
    fullname: str
    stats: Stats
    group: str | None = None
    extra_info: ExtraInfo = field(default_factory=ExtraInfo)

    @property
    def measurement(self) -> Measurement | None:
        """Our record, if there is one."""
        return self.extra_info.hpml


@dataclass(frozen=True)
class Replication:
    """How often a run measured its cases, and what it has no benchmark of.

    Attributes:
        processes: how many fresh interpreters were asked for.
        seed: of the order of the cases in each of them.
        unmeasured: for each test that failed and left no benchmark, its failures.
        missing: for each test that a run did not get to in every process, those processes; there is
            one in an incomplete run alone.
        resumed: when the run was gone on with, in UTC.
        journal: the name of the journal that the run was written to while it lasted.
    """

    processes: int
    seed: int
    unmeasured: dict[str, list[Failure]] = field(default_factory=dict)
    missing: dict[str, list[int]] = field(default_factory=dict)
    resumed: list[str] = field(default_factory=list)
    journal: str = ""


@dataclass(frozen=True)
class Run:
    """One saved run; ``hpml`` is None in a stock file."""

    machine_info: MachineInfo
    benchmarks: list[Benchmark]
    datetime: str
    version: str
    hpml: Replication | None = None


_DECODER = msgspec.json.Decoder(Run)


def run_of(record: Mapping[str, Any]) -> Run:
    """Returns the run of a record as pytest-benchmark makes it, before it is saved."""
    return msgspec.convert(whole_text(json.loads(json.dumps(record, default=str))), Run)


def read_run(path: Path) -> Run:
    """Returns the run saved in a file.

    Raises:
        RunFileError: if the file cannot be read, is too large, or is not such a run.
    """
    return decoded(path, _DECODER)


def decoded(path: Path, decoder: msgspec.json.Decoder[T]) -> T:
    """Returns what a decoder makes of a run file.

    Raises:
        RunFileError: if the file cannot be read, is too large, or is not what it decodes.
    """
    try:
        if (size := path.stat().st_size) > LARGEST_FILE_BYTES:
            raise RunFileError(
                f"run file {str(path)!r} has {size:,} bytes; at most "
                f"{LARGEST_FILE_BYTES:,} are read",
                path,
            )
        return _decoded(path.read_bytes(), decoder)
    except OSError as error:
        raise RunFileError(
            f"run file {str(path)!r} cannot be read: {error.strerror}", path
        ) from error
    except (ValueError, RecursionError) as error:
        raise RunFileError(f"run file {str(path)!r} is not a saved run: {error}", path) from error


def _decoded(content: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Returns what a file holds.

    Other tools write NaN and half characters, as Python's JSON does: there the value is unknown.
    """
    try:
        return decoder.decode(content)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as error:
        try:
            loose = json.loads(content)
            ours = "hpml" in loose["machine_info"]
        except (ValueError, RecursionError, KeyError, TypeError):
            raise error from None
        if ours:
            raise
        return msgspec.convert(whole_text(loose), decoder.type)
