"""One epoch of training, its time taken apart.

phase      from                         to
wait       before the next batch        the batch is in host memory
copy       then                         it is on the device
compute    then                         forward, loss, backward and optimizer step are done
other      then                         the next wait

Timing ``phases`` waits for the device behind each phase: the parts are true and nothing overlaps.
Timing ``throughput`` waits at the two ends alone: the total is true and, on a device that works
behind the host's back, there are no parts. The two are never compared with each other.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from hpml_lab.errors import MeasurementError, NonFiniteLossError, TimingGapError
from hpml_lab.measure.evaluation import Evaluation

if TYPE_CHECKING:  # the clock needs torch; whoever reads saved epochs does not
    from hpml_lab.measure.clock import Clock

LARGEST_GAP = 0.02

Timing = Literal["phases", "throughput"]


@dataclass(frozen=True)
class Parts:
    """Where the seconds of an epoch went; they add up to its total.

    Attributes:
        wait_s: for batches, the start of the loader's workers included.
        copy_s: host to device.
        compute_s: forward, loss, backward, optimizer step.
        other_s: loss and accuracy, bookkeeping.
        start_s: the part of `wait_s` in which the loader's iterator was made.
    """

    wait_s: float
    copy_s: float
    compute_s: float
    other_s: float
    start_s: float

    @property
    def sum_s(self) -> float:
        """The four parts together; `start_s` is within `wait_s`."""
        return self.wait_s + self.copy_s + self.compute_s + self.other_s

    def gap(self, total_s: float) -> float:
        """Returns the share of a total that the parts miss or exceed."""
        return abs(self.sum_s / total_s - 1)


@dataclass(frozen=True)
class Epoch:
    """What one epoch of training took and reached.

    Attributes:
        index: counted from 1 over the life of the model.
        warm_up: whether it came before the measured rounds.
        samples: how many it trained on.
        loss: mean over the samples, in training mode, while the weights changed.
        accuracy: top-1 share in [0, 1] over the same samples.
        total_s: from before the loader's iterator is made until the device is done.
        parts: None where they cannot be told apart.
        evaluation: what a pass behind the epoch found; its time is not in `total_s`.
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


@dataclass(frozen=True)
class Pass:
    """One pass over a loader.

    Attributes:
        batches: how many were trained on.
        total_s: from before the loader's iterator is made until the device is done.
        parts: None where they cannot be told apart.
        whole: whether the loader was run through to its end.
    """

    batches: int
    total_s: float
    parts: Parts | None
    whole: bool


class Trains(Protocol):
    """What an epoch is run on; `workloads.trainer.Trainer` is one."""

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
    """What looks at the steps of a pass."""

    def add(self, loss: Any, outputs: Any, batch: Any) -> None:
        """Takes note of a step, without waiting for the device."""
        ...

    def read(self) -> None:
        """Reads what was noted, at the end of the pass."""
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
    """Takes a step on each batch of a loader and times where the time goes.

    Args:
        trainer: what to run.
        clock: of the devices that it works on.
        tally: is given every step, and read before the pass ends.
        timing: see the module.
        limit_s: no batch is begun after so many seconds.
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
    """Seconds by phase; every end is the next one's beginning, so nothing falls between."""

    clock: "Clock"
    synchronised: bool
    spent_s: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("start", "wait", "copy", "compute", "other"), 0.0)
    )

    def __post_init__(self) -> None:
        self._began_s = self.clock.now_s()

    def end(self, phase: str) -> None:
        if not self.synchronised:
            return
        self.clock.synchronise()
        now_s = self.clock.now_s()
        self.spent_s[phase] += now_s - self._began_s
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
        )


class _Tally:
    """Loss and hits, summed on the device: reading a value for every batch would wait for it.

    Attributes:
        result: samples, mean loss and accuracy, once they are read.
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
