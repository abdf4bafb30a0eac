"""What scaling measured, and what is predicted for more ranks."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """One number of ranks.

    Attributes:
        world: Number of ranks.
        step_s: Seconds of a step, the slowest rank's; None where the ranks failed.
        interval: Where one more launch would be (95 %); None with a single launch.
        efficiency: Step of the first case over this one; with a shared batch, per rank.
        exposed_s: Seconds by which exchanging the gradients makes a step longer.
        exchange_s: Seconds of all exchanges of a step, exposed or beside the work, by the profiler.
        predicted_step_s: That of the first case and the exchange; not overlapped on a CPU, whose
            processors compute it themselves.
        peak_bytes: Peak of live bytes, by rank.
        predicted_peak_bytes: The same by the memory plan; None where there is none.
        straggler: Rank with the slowest steps without exchange, if it is slower than the median
            of the others by more than 5 %.
        gradient_error: Largest difference of averaged gradients from those of one process,
            relative to the largest gradient; None for FSDP.
        failure: What happened; None where all ranks ended.
        kept_s: Seconds of a step whose gradients are not exchanged.
        latency_s: Seconds of a message between two ranks; None for a single one.
        bytes_per_s: Bandwidth of the link between two ranks.
    """

    world: int
    step_s: float | None = None
    interval: tuple[float, float] | None = None
    efficiency: float | None = None
    exposed_s: float | None = None
    predicted_step_s: float | None = None
    peak_bytes: tuple[int, ...] = ()
    predicted_peak_bytes: int | None = None
    straggler: int | None = None
    gradient_error: float | None = None
    failure: str | None = None
    kept_s: float | None = None
    exchange_s: float | None = None
    latency_s: float | None = None
    bytes_per_s: float | None = None


@dataclass(frozen=True)
class Scaling:
    """The result, a case for each number of ranks.

    Attributes:
        workload: Name of the workload.
        strategy: ``ddp`` or ``fsdp``.
        backend: ``gloo`` or ``nccl``.
        strong: Whether the ranks share one batch; otherwise each has a whole one.
        threads: Threads of each rank.
        cases: One for each number of ranks.
    """

    workload: str
    strategy: str
    backend: str
    strong: bool
    threads: int
    cases: list[Case]

    def record(self) -> dict[str, Any]:
        """Returns the result in a form for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class World:
    """What is predicted for one number of ranks.

    Attributes:
        world: Number of ranks.
        peak_bytes: Peak of live bytes of a rank.
        step_s: Seconds of a step; None, as all below, where no step or no network is known.
        exchange_s: Seconds of all exchanges of a step, if nothing ran beside them.
        exposed_s: Seconds by which they make the step longer.
        efficiency: Step of one rank over this one.
    """

    world: int
    peak_bytes: int
    step_s: float | None = None
    exchange_s: float | None = None
    exposed_s: float | None = None
    efficiency: float | None = None


@dataclass(frozen=True)
class Worlds:
    """The prediction, a case for each number of ranks.

    Attributes:
        strategy: ``ddp`` or ``fsdp``.
        cases: One for each number of ranks.
        assumptions: What the times assume, a sentence each.
    """

    strategy: str
    cases: list[World]
    assumptions: list[str]

    def record(self) -> dict[str, Any]:
        """Returns the prediction in a form for JSON."""
        known = asdict(self)
        return {"worlds": known["cases"]} | {k: known[k] for k in ("strategy", "assumptions")}
