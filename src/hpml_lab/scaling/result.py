"""What scaling measured."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """One number of ranks.

    Attributes:
        world: Number of ranks.
        step_s: Seconds of a step, the slowest rank's, each rank with a whole batch of its own (weak
            scaling); None where the ranks failed.
        interval: Where one more launch would be (95 %); None with a single launch.
        efficiency: Step of one rank over this one.
        exposed_s: Seconds by which exchanging the gradients makes a step longer.
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


@dataclass(frozen=True)
class Scaling:
    """The result, a case for each number of ranks."""

    workload: str
    strategy: str
    backend: str
    cases: list[Case]

    def record(self) -> dict[str, Any]:
        """Returns the result in a form for JSON."""
        return asdict(self)
