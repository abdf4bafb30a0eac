"""What a training waits for its own loader: one pass over it, or as much as there is time for."""

from typing import TYPE_CHECKING, Any, cast

from hpml_lab.errors import MeasurementError
from hpml_lab.measure.epochs import LARGEST_GAP, Trains, timed_pass

if TYPE_CHECKING:
    from hpml_lab.measure.clock import Clock
    from hpml_lab.workloads.step import TrainingStep


class _Samples:
    """Counts samples; knows none where a batch does not tell its own."""

    def __init__(self, step: "TrainingStep") -> None:
        self._step = step
        self.count: int | None = 0

    def add(self, _loss: Any, _outputs: Any, batch: Any) -> None:
        samples = self._step.samples_of(batch)
        self.count = None if self.count is None or samples is None else self.count + samples

    def read(self) -> None:
        """Nothing is left to read."""


def loader_times(step: "TrainingStep", clock: "Clock", limit_s: float) -> dict[str, float]:
    """Returns where the time goes when a step gets its batches from its loader.

    Args:
        step: has a loader.
        clock: of the devices that it works on.
        limit_s: no batch is begun after so many seconds.

    Returns:
        seconds ``total_s`` = ``wait_s`` + ``copy_s`` + ``compute_s`` + ``other_s``, with the start
        of the loader, ``start_s``, within ``wait_s``; ``batches``; ``samples`` where they are
        known; and ``wait_share``, of the time behind the start.

    Raises:
        MeasurementError: if the loader gives no batch, or the parts miss the total.
    """
    tally = _Samples(step)
    passed = timed_pass(cast(Trains, step), clock, tally, limit_s=limit_s)
    parts = passed.parts
    if not passed.batches or parts is None:
        raise MeasurementError("the loader gave no batch")
    if (gap := parts.gap(passed.total_s)) > LARGEST_GAP:
        raise MeasurementError(f"the parts of the pass miss its total by {gap:.1%}")
    record = {name: getattr(parts, name) for name in ("wait_s", "copy_s", "compute_s", "other_s")}
    record |= {"start_s": parts.start_s, "total_s": passed.total_s}
    record["batches"] = float(passed.batches)
    record["wait_share"] = (parts.wait_s - parts.start_s) / (passed.total_s - parts.start_s)
    return record if tally.count is None else record | {"samples": float(tally.count)}
