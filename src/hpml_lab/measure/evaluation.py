"""A pass over the images in evaluation mode, timed apart from the epoch before it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hpml_lab.errors import MeasurementError

if TYPE_CHECKING:  # the clock needs torch; whoever reads saved epochs does not
    from hpml_lab.measure.clock import Clock


@dataclass(frozen=True)
class Evaluation:
    """What a network reached with its weights at rest.

    Attributes:
        samples: how many it was asked for.
        accuracy: top-1 share of them in [0, 1].
        total_s: what the pass took, loading included.
    """

    samples: int
    accuracy: float
    total_s: float


class Predicts(Protocol):
    """What can be evaluated; `workloads.trainer.Trainer` is one."""

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
    """Counts the hits over all batches; the device is asked for their number once.

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
