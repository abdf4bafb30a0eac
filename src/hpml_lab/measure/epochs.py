"""Timing of a training epoch by phase, of an evaluation, and of a pass over any loader.

phase      from                         to
wait       before the next batch        the batch is in host memory
copy       then                         it is on the device
compute    then                         forward, loss, backward and optimizer step are done
other      then                         the next wait

Timing ``phases`` synchronises after each phase: the parts are exact and nothing overlaps. Timing
``throughput`` synchronises only at the two ends: the total is exact, and there are no parts.
Results of the two are never compared.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from hpml_lab.errors import MeasurementError, NonFiniteLossError, TimingGapError
from hpml_lab.runs.schema import Epoch, Evaluation, Parts

if TYPE_CHECKING:
    from hpml_lab.measure.clock import Clock
    from hpml_lab.training.step import TrainingStep


class Predicts(Protocol):
    """Interface for an evaluation; `training.trainer.Trainer` has it."""

    @property
    def evaluation_loader(self) -> Iterable[Any]:
        """Batches on the host: inputs and labels."""
        ...

    def to_device(self, batch: Any) -> Any:
        """Returns the batch on the device."""
        ...

    def predict(self, inputs: Any) -> Any:
        """Returns the logits."""
        ...


def evaluate(trainer: Predicts, clock: "Clock") -> Evaluation:
    """Measures accuracy and time over all batches; the device is read once, at the end.

    Raises:
        MeasurementError: if the loader gives no batch.
    """
    samples, hits = 0, 0.0
    clock.synchronise()
    began_s = clock.now_s()
    for batch in trainer.evaluation_loader:
        inputs, labels = trainer.to_device(batch)
        hits = hits + (trainer.predict(inputs).argmax(1) == labels).sum()
        samples += len(labels)
    if samples == 0:
        raise MeasurementError("the evaluation loader gave no batch; use more images")
    accuracy = float(hits) / samples
    clock.synchronise()
    return Evaluation(samples, accuracy, clock.now_s() - began_s)


LARGEST_GAP = 0.02

Timing = Literal["phases", "throughput"]


@dataclass(frozen=True)
class Pass:
    """One pass over a loader.

    Attributes:
        batches: Number of batches trained on.
        total_s: Seconds from before the loader's iterator is made until the device is done.
        parts: Seconds by phase; None with timing ``throughput``.
        whole: Whether the pass reached the end of the loader.
    """

    batches: int
    total_s: float
    parts: Parts | None
    whole: bool


class Trains(Protocol):
    """Interface for an epoch of training; `training.trainer.Trainer` has it."""

    @property
    def loader(self) -> Iterable[Any]:
        """Batches on the host: inputs and labels."""
        ...

    def to_device(self, batch: Any) -> Any:
        """Returns the batch on the device."""
        ...

    def step(self, batch: Any) -> tuple[Any, Any]:
        """Takes an optimizer step; returns loss and outputs."""
        ...


class Tallies(Protocol):
    """Interface for statistics over the steps of a pass."""

    def add(self, loss: Any, outputs: Any, batch: Any) -> None:
        """Adds a step, without a device synchronisation."""
        ...

    def read(self) -> None:
        """Reads the sums from the device, at the end of the pass."""
        ...


def run_epoch(
    trainer: Trains,
    clock: "Clock",
    index: int = 1,
    *,
    warm_up: bool = False,
    timing: Timing = "phases",
) -> Epoch:
    """Trains for one epoch and times it.

    Raises:
        NonFiniteLossError: if the mean loss is NaN or infinite.
        TimingGapError: if the parts miss the total by more than `LARGEST_GAP`.
        MeasurementError: if the loader gives no batch.
    """
    tally = _Tally()
    passed = timed_pass(trainer, clock, tally, timing=timing)
    samples, mean_loss, accuracy = tally.result
    if not math.isfinite(mean_loss):
        raise NonFiniteLossError(
            f"the loss became {mean_loss} in epoch {index}; no result is kept. Train with other "
            "optimizer settings"
        )
    epoch = Epoch(index, warm_up, samples, mean_loss, accuracy, passed.total_s, passed.parts)
    return _checked(epoch)


def timed_pass(
    trainer: Trains,
    clock: "Clock",
    tally: Tallies,
    *,
    timing: Timing = "phases",
    limit_s: float = math.inf,
) -> Pass:
    """Takes a step on each batch of a loader and times its phases.

    Args:
        trainer: Loader and step.
        clock: Clock of its devices.
        tally: Statistics; every step is added, and they are read before the pass ends.
        timing: See the module.
        limit_s: No batch begins after this many seconds.
    """
    clock.synchronise()
    began_s = clock.now_s()
    laps = _Laps(clock, synchronised=timing == "phases")
    batches, count, whole = iter(trainer.loader), 0, True
    laps.end("start")
    for batch in batches:
        laps.end("wait")
        if clock.now_s() - began_s > limit_s:
            whole = False
            break
        on_device = trainer.to_device(batch)
        laps.end("copy")
        loss, outputs = trainer.step(on_device)
        laps.end("compute")
        tally.add(loss, outputs, on_device)
        count += 1
        laps.end("other")
    laps.end("wait")
    tally.read()
    clock.synchronise()
    laps.end("other")
    return Pass(count, clock.now_s() - began_s, laps.parts(), whole)


def _checked(epoch: Epoch) -> Epoch:
    if epoch.parts and epoch.gap > LARGEST_GAP:
        raise TimingGapError(
            f"the parts of epoch {epoch.index} add up to {epoch.parts.sum_s:.6f} s of "
            f"{epoch.total_s:.6f} s, more than {LARGEST_GAP:.0%} off; run it again on a quieter "
            "machine"
        )
    return epoch


@dataclass
class _Laps:
    """Seconds by phase; each phase begins where the last one ends, so the sum has no gap."""

    clock: "Clock"
    synchronised: bool
    spent_s: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("start", "wait", "copy", "compute", "other"), 0.0)
    )
    first_compute_s: float | None = None

    def __post_init__(self) -> None:
        self._began_s = self.clock.now_s()

    def end(self, phase: str) -> None:
        if not self.synchronised:
            return
        self.clock.synchronise()
        now_s = self.clock.now_s()
        self.spent_s[phase] += now_s - self._began_s
        if phase == "compute" and self.first_compute_s is None:
            self.first_compute_s = self.spent_s[phase]
        self._began_s = now_s

    def parts(self) -> Parts | None:
        if not self.synchronised:
            return None
        spent = self.spent_s
        return Parts(
            wait_s=spent["start"] + spent["wait"],
            copy_s=spent["copy"],
            compute_s=spent["compute"],
            other_s=spent["other"],
            start_s=spent["start"],
            first_compute_s=self.first_compute_s,
        )


class _Tally:
    """Loss and hits, summed on the device: reading a value per batch would synchronise.

    Attributes:
        result: Samples, mean loss and accuracy, set by `read`.
    """

    result: tuple[int, float, float]

    def __init__(self) -> None:
        self._samples = 0
        self._loss: Any = 0.0
        self._hits: Any = 0

    def add(self, loss: Any, outputs: Any, batch: Any) -> None:
        labels = batch[1]
        self._samples += len(labels)
        self._loss = self._loss + loss.double() * len(labels)
        self._hits = self._hits + (outputs.argmax(1) == labels).sum()

    def read(self) -> None:
        if self._samples == 0:
            raise MeasurementError("the loader gave no batch; use more images or a smaller batch")
        mean_loss = float(self._loss) / self._samples
        self.result = self._samples, mean_loss, float(self._hits) / self._samples


class _Samples:
    """Counts samples; None if the size of a batch is unknown."""

    def __init__(self, step: "TrainingStep") -> None:
        self._step = step
        self.count: int | None = 0

    def add(self, _loss: Any, _outputs: Any, batch: Any) -> None:
        samples = self._step.samples_of(batch)
        self.count = None if self.count is None or samples is None else self.count + samples

    def read(self) -> None:
        """Nothing is left to read."""


def loader_times(step: "TrainingStep", clock: "Clock", limit_s: float) -> dict[str, float]:
    """Returns the times by phase of a step that gets its batches from its loader.

    Args:
        step: A step with a loader.
        clock: Clock of its devices.
        limit_s: No batch begins after this many seconds.

    Returns:
        Seconds ``total_s`` = ``wait_s`` + ``copy_s`` + ``compute_s`` + ``other_s``, with the start
        of the loader, ``start_s``, within ``wait_s``; ``batches``; ``samples`` where they are
        known; and ``wait_share``, the share of waiting in the time after the start.

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
