"""What loading costs an epoch, measured by leaving it out."""

from typing import TYPE_CHECKING, Any

from hpml_lab.measure.epochs import run_epoch
from hpml_lab.theory.loading import stalls

if TYPE_CHECKING:
    from torch import Tensor

    from hpml_lab.measure.clock import Clock
    from hpml_lab.workloads.trainer import Trainer


class Ready:
    """A trainer with one epoch's batches on the device already; there must be room for them.

    Args:
        trainer: whose loader is run through once, and whose steps are taken.

    Attributes:
        loader: the batches, in a list.
    """

    def __init__(self, trainer: "Trainer") -> None:
        self.loader = [trainer.to_device(batch) for batch in trainer.loader]
        self._trainer = trainer

    def to_device(self, batch: Any) -> Any:
        """Returns the batch, which is there."""
        return batch

    def step(self, batch: Any) -> "tuple[Tensor, Tensor]":
        """Takes the trainer's step."""
        return self._trainer.step(batch)


def ready_epochs_s(ready: Ready, clock: "Clock", epochs: int) -> list[float]:
    """Returns the seconds of epochs without loading and copying; the device is waited for.

    Args:
        ready: what to train on.
        clock: of its device.
        epochs: how many.
    """
    return [run_epoch(ready, clock, timing="throughput").total_s for _ in range(epochs)]


def stall_record(ready_s: float, cached_s: float, cold_s: float | None = None) -> dict[str, float]:
    """Returns what a saved run keeps of the stalls of an epoch; see `theory.loading.stalls`.

    Returns:
        ``ready_s``, ``cached_s``, ``prep_stall_s`` and ``accelerator_utilisation``; with a cold
        epoch also ``cold_s`` and ``fetch_stall_s``.

    Raises:
        InputError: for a time that is not above 0.
    """
    found = stalls(ready_s, cached_s, cold_s)
    record = {
        "ready_s": ready_s,
        "cached_s": cached_s,
        "prep_stall_s": found.prep_s,
        "accelerator_utilisation": found.utilisation,
    }
    if cold_s is not None and found.fetch_s is not None:
        record |= {"cold_s": cold_s, "fetch_stall_s": found.fetch_s}
    return record
