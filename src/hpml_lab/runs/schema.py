"""The records of a saved run: cases, epochs, failures; those of the machine: `runs.machine`."""

import math
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, TypeGuard

from hpml_lab.errors import InputError
from hpml_lab.runs.machine import MachineInfo


@dataclass(frozen=True)
class Evaluation:
    """Evaluation of a network with fixed weights.

    Attributes:
        samples: Number of evaluated samples.
        accuracy: Top-1 share of them in [0, 1].
        total_s: Seconds of the pass, loading included.
    """

    samples: int
    accuracy: float
    total_s: float


@dataclass(frozen=True)
class Parts:
    """Phase times of an epoch; they add up to its total.

    Attributes:
        wait_s: Wait for batches, the start of the loader's workers included.
        copy_s: Copy from host to device.
        compute_s: Forward, loss, backward and optimizer step.
        other_s: Loss and accuracy, bookkeeping.
        start_s: Part of `wait_s` in which the loader's iterator was made.
        first_compute_s: Part of `compute_s` of the first step; None in older files.
    """

    wait_s: float
    copy_s: float
    compute_s: float
    other_s: float
    start_s: float
    first_compute_s: float | None = None

    @property
    def sum_s(self) -> float:
        """Sum of the four parts; `start_s` is part of `wait_s`."""
        return self.wait_s + self.copy_s + self.compute_s + self.other_s

    def gap(self, total_s: float) -> float:
        """Share of a total that the parts miss or exceed."""
        return abs(self.sum_s / total_s - 1)


@dataclass(frozen=True)
class Epoch:
    """Time, loss and accuracy of one epoch of training.

    Attributes:
        index: Number of the epoch, from 1 over the life of the model.
        warm_up: Whether it came before the measured rounds.
        samples: Number of samples it trained on.
        loss: Mean loss over the samples, in training mode, while the weights changed.
        accuracy: Top-1 share in [0, 1] over the same samples.
        total_s: Seconds from before the loader's iterator is made until the device is done.
        parts: Phase times; None if they cannot be separated.
        evaluation: Evaluation after the epoch; its time is not in `total_s`.
    """

    index: int
    warm_up: bool
    samples: int
    loss: float
    accuracy: float
    total_s: float
    parts: Parts | None
    evaluation: Evaluation | None = None

    @property
    def gap(self) -> float:
        """Share of the total that the parts miss or exceed; 0 without parts."""
        return self.parts.gap(self.total_s) if self.parts else 0.0


Value = str | int | float | bool | None
# Bytes that a step requests; the bytes that an allocator or the system holds in addition differ.
EXACT_PEAKS = ("peak_step_bytes", "peak_requested_bytes")
Kind = Literal["crashed", "timeout", "out-of-memory", "failed"]
Stopped = Literal["precise", "budget", "most rounds", "given"]


@dataclass(frozen=True)
class Failure:
    """Reason why a process has no result of a case.

    Attributes:
        process: Number of the process, from 1.
        kind: ``crashed`` if the worker process died, ``failed`` if pytest reports a failure.
        message: The reason, one line.
        signal: Name of the signal that somebody sent to the worker process, such as ``SIGKILL``.
    """

    process: int
    kind: Kind
    message: str
    signal: str | None = None


@dataclass(frozen=True)
class Row:
    """Live bytes at one moment of a step.

    Attributes:
        phase: One of `memory.timeline.PHASES`.
        layer: Path of the running module; empty outside all modules.
        live_bytes: Live bytes of each of `memory.timeline.CATEGORIES`, in that order.
    """

    phase: str
    layer: str
    live_bytes: list[int]


@dataclass(frozen=True)
class Sampling:
    """Sampling of the rounds of one process.

    Attributes:
        iterations: Calls in a round.
        warm_up: Calls before the first round.
        stopped: Reason to stop: the median is known to 1 %, the time budget is spent, the largest
            number of rounds is reached, or the number was given.
        unstable: Signs against one steady state: drift, two modes, throttling, other load; empty
            without any.
        device_s: Median seconds of an iteration between events on the device; None if the host's
            time is the device's.
        disturbed: Whether other load took so much of the machine that the rounds do not reflect the
            step alone.
        retaken: Number of rounds left out because threads waited for a processor in them.
    """

    iterations: int
    warm_up: int
    stopped: Stopped
    unstable: list[str] = field(default_factory=list)
    device_s: float | None = None
    disturbed: bool = False
    retaken: int = 0


@dataclass(frozen=True)
class Learning:
    """Results of an ensemble of trainings that are equal but for their seeds.

    Attributes:
        seeds: Seed of each member.
        points: Points at which metrics were read, such as epochs or steps, in rising order.
        metrics: By name such as ``accuracy``, for each member a value at each point.
        matrices: By name such as ``confusion``, for each member the rows of a matrix.

    Raises:
        InputError: if a member or a value is missing, or is no finite number.
    """

    seeds: list[int]
    points: list[float]
    metrics: dict[str, list[list[float]]]
    matrices: dict[str, list[list[list[float]]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, members in (self.metrics | self.matrices).items():
            if len(members) != len(self.seeds):
                raise InputError(f"{name} has {len(members)} members, not {len(self.seeds)}")
        for name, members in self.metrics.items():
            if any(len(values) != len(self.points) for values in members):
                raise InputError(f"a member's {name} has not {len(self.points)} values")
        values = [v for members in self.metrics.values() for member in members for v in member]
        rows = [row for members in self.matrices.values() for member in members for row in member]
        if not all(map(math.isfinite, chain(values, *rows))):
            raise InputError("a value is not finite: lower the learning rate or leave the seed out")


@dataclass(frozen=True)
class HeavyOperator:
    """What one operator takes of a step that was traced.

    Attributes:
        name: Its name, such as ``aten::conv2d``.
        calls: Calls in a step.
        host_s: Seconds of a step on the host, without the operators that it calls.
        device_s: Seconds of a step on the device, 0 on the CPU.
    """

    name: str
    calls: float
    host_s: float
    device_s: float


@dataclass(frozen=True)
class Trace:
    """What the profiler saw of some steps after the timed rounds.

    Attributes:
        file: Name of the Chrome trace, in the folder of ``--hpml-trace``.
        step_s: Seconds of a step while it was traced, which is slower than else.
        idle_share: Share of that time in which no operator was at work: on the device if there is
            one, else on the host.
        operators: The ten heaviest, the heaviest first.
    """

    file: str
    step_s: float
    idle_share: float
    operators: list[HeavyOperator] = field(default_factory=list)


@dataclass(frozen=True)
class Measurement:
    """The record under ``extra_info.hpml`` of a saved benchmark.

    Attributes:
        case: All settings that name the case: its axes and every other setting.
        samples: Number of samples in one iteration; None if that has no meaning.
        processes: For each process, the seconds of an iteration in each of its rounds; empty for a
            process that failed or was not reached.
        counters: Exact integers; equal in every process, or those of the first and flagged.
        memory: Memory readings in bytes.
        stalls: Shares and seconds lost to loading; with a user's own loader those of
            `measure.epochs.loader_times`.
        epochs: All epochs, warm-up first. Fields without a value for each process, like this one,
            come from the representative process: the one with the low median of the median rounds.
        sampling: Sampling of each process; None for a process without rounds, and with epochs.
        failures: Failures of processes without rounds.
        flags: Warnings about the numbers, such as counters that differ between processes.
        timelines: Memory over one step, by name such as ``planned``: see `memory.compared`.
        learning: Results of an ensemble of seeds; None if none was trained.
        tokens: Number of tokens in one iteration; None if that has no meaning.
        trace: The profiler's view of some steps; None where none was asked for.
    """

    case: dict[str, Value]
    samples: int | None
    processes: list[list[float]]
    counters: dict[str, int] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    stalls: dict[str, float] = field(default_factory=dict)
    epochs: list[Epoch] = field(default_factory=list)
    sampling: list[Sampling | None] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    timelines: dict[str, list[Row]] = field(default_factory=dict)
    learning: Learning | None = None
    tokens: int | None = None
    trace: Trace | None = None

    @property
    def peaks(self) -> dict[str, int]:
        """Peaks of memory that are the same in every process, in bytes."""
        return {name: self.memory[name] for name in EXACT_PEAKS if name in self.memory}


def is_value(value: object) -> TypeGuard[Value]:
    """Whether a value can be part of a case."""
    return value is None or isinstance(value, str | int | float | bool)


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
    """Additional record of a test; ``hpml`` is None in a stock file."""

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
    """Processes of a run, and the tests without a benchmark.

    Attributes:
        processes: Number of requested processes.
        seed: Seed of the order of the cases in each of them.
        unmeasured: For each test that failed and has no benchmark, its failures.
        missing: For each test that the run did not reach in every process, the processes without
            it; empty for a complete run.
        resumed: Times at which the run was resumed, in UTC.
        journal: Name of the journal of the run.
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
