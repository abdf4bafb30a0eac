"""What one measured case leaves behind."""

import math
from dataclasses import dataclass, field
from typing import Literal, TypeGuard

from hpml_lab.errors import InputError
from hpml_lab.measure.epochs import Epoch

Value = str | int | float | bool | None
# Bytes that a step asks for; what an allocator or the system holds beside them differs.
EXACT_PEAKS = ("peak_step_bytes", "peak_requested_bytes")
Kind = Literal["crashed", "timeout", "out-of-memory", "failed"]
Stopped = Literal["precise", "budget", "most rounds", "given"]


@dataclass(frozen=True)
class Failure:
    """Why a process left nothing of a case.

    Attributes:
        process: which one, counted from 1.
        kind: ``crashed`` took the interpreter down, ``failed`` is what pytest calls so.
        message: one line.
    """

    process: int
    kind: Kind
    message: str


@dataclass(frozen=True)
class Row:
    """What was alive at one moment of a step, as short as can be.

    Attributes:
        phase: one of `theory.timeline.PHASES`.
        layer: the path of the module at work; empty outside all modules.
        live_bytes: for each of `theory.timeline.CATEGORIES`, in that order.
    """

    phase: str
    layer: str
    live_bytes: list[int]


@dataclass(frozen=True)
class Sampling:
    """How a process took its rounds.

    Attributes:
        iterations: calls in a round.
        warm_up: calls before the first round.
        stopped: why there are no more rounds: the median is known to 1 %, the time is spent, there
            are too many, or so many were asked for.
        unstable: what was seen that is not one steady state: a drift, two modes, throttling, load
            by others; empty for none.
        device_s: median seconds of an iteration between events on the device; None where the
            host's time is the device's.
        disturbed: whether others took so much of the machine that the rounds do not speak of the
            step alone.
        retaken: how many rounds were left out because threads waited for a processor in them.
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
    """What trainings that differ in their seeds alone came to.

    Attributes:
        seeds: one for each member.
        points: where metrics were read, such as epochs or steps; they rise.
        metrics: by name such as ``accuracy``, for each member a value at each point.
        matrices: by name such as ``confusion``, for each member the rows of a matrix.

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
        values = [value for each in self.metrics.values() for one in each for value in one]
        cells = [c for each in self.matrices.values() for one in each for row in one for c in row]
        if not all(map(math.isfinite, values + cells)):
            raise InputError("a value is not finite: lower the learning rate or leave the seed out")


@dataclass(frozen=True)
class Measurement:
    """The record under ``extra_info.hpml`` of a saved benchmark.

    Attributes:
        case: everything that names the case: its axes and every other setting.
        samples: how many one iteration works on; None if that has no meaning.
        processes: for each process, the seconds an iteration took in each of its rounds; empty
            for one that failed or was not reached.
        counters: exact integers; equal in every process, or those of the first and flagged.
        memory: bytes.
        stalls: shares and seconds lost to loading; of an own loader those of
            `measure.loading.loader_times`.
        epochs: warm-up and measured, in order; like all that is not told of each process, those of
            the process in the middle by its median round.
        sampling: how each process took its rounds; None of one that has none, and of epochs.
        failures: of processes that left no rounds.
        flags: warnings about the numbers, such as counters that differ between processes.
        timelines: memory over one step, by name such as ``planned``: see `measure.timelines`.
        learning: what an ensemble of seeds learnt; None where none was trained.
        tokens: how many one iteration works on; None if that has no meaning.
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

    @property
    def peaks(self) -> dict[str, int]:
        """The peaks of memory that are the same in every process, in bytes."""
        return {name: self.memory[name] for name in EXACT_PEAKS if name in self.memory}


def is_value(value: object) -> TypeGuard[Value]:
    """Returns whether a value can be part of a case."""
    return value is None or isinstance(value, str | int | float | bool)
