"""What training steps of one network will need, as the numbers that people ask for."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hpml_lab.theory.batches import Batches
from hpml_lab.theory.fitting import Device, Fit, fit, fits
from hpml_lab.theory.largest_batch import largest_batch
from hpml_lab.theory.memory import Step, with_optimizer
from hpml_lab.theory.optimizers import Parameters, sizes
from hpml_lab.theory.timeline import Timeline


@dataclass(frozen=True)
class Network:
    """A network for one image size, ready to be planned.

    Attributes:
        name: as given.
        classes: outputs of its last layer.
        image: the side of its images in pixels.
        parameters: elements of all parameters.
        trained: element count of each parameter tensor that is trained.
        flops_per_sample: convolutions and matrix products, forward and backward, multiply-add = 2.
        products: paths of its linear layers, whose matrix products need a workspace on a GPU.
        method: ``recurrence`` over layers or ``trace`` of the operators.
        passes: plans the forward and backward passes of a step; what it says of the optimizer is
            not used.
    """

    name: str
    classes: int
    image: int
    parameters: int
    trained: Parameters
    flops_per_sample: int
    products: Collection[str]
    method: str
    passes: Callable[[Step], Timeline]

    def plan(self, step: Step) -> Timeline:
        """Returns the step's timeline; passes are traced once for all batches and optimizers.

        Raises:
            InputError: if the network cannot take such a batch.
        """
        passes = _lines(self._passes, step.passes, self.passes)
        updated = _lines(
            self._steps,
            step,
            lambda other: with_optimizer(passes(other.batch), other, self.trained),
        )
        return updated(step.batch)

    def fit(self, step: Step, device: Device) -> Fit:
        """Returns what a step takes on a device.

        Raises:
            InputError: if the network cannot take such a batch.
        """
        return fit(self.plan(step), device, **self._on_gpu(step))

    def largest_batch(self, step: Step, device: Device) -> int:
        """Returns the largest batch whose step, else as given, fits into a device's memory.

        Raises:
            InputError: if not even one sample fits, or the memory is not known.
        """
        return largest_batch(
            lambda batch: self.plan(step.of(batch)),
            device.known_bytes,
            lambda timeline: fits(timeline, device, **self._on_gpu(step)),
        )

    def _on_gpu(self, step: Step) -> dict[str, Any]:
        counters = len(list(sizes(self.trained))) if step.implementation == "fused" else 0
        return {"products": self.products, "counters": counters}

    def numbers(self, step: Step) -> dict[str, int]:
        """Returns raw bytes and counts of a step, by name.

        Raises:
            InputError: if the network cannot take such a batch.
        """
        timeline = self.plan(step)
        return {
            "parameters": self.parameters,
            "trainable_parameters": sum(sizes(self.trained)),
            "parameters_bytes": timeline.held_bytes("parameters", "before"),
            "buffers_bytes": timeline.held_bytes("buffers", "before"),
            "gradients_bytes": timeline.held_bytes("gradients", "backward"),
            "optimizer_state_bytes": timeline.held_bytes("optimizer_state", "before"),
            "optimizer_temporary_bytes": step.temporary_bytes(self.trained),
            "activations_bytes": timeline.held_bytes("activations", "forward"),
            "input_bytes": timeline.held_bytes("input", "before"),
            "peak_bytes": timeline.peak_bytes,
            "flops_per_sample": self.flops_per_sample,
        }

    @cached_property
    def _passes(self) -> dict[Step, Batches]:
        return {}

    @cached_property
    def _steps(self) -> dict[Step, Batches]:
        return {}


def _lines(known: dict[Step, Batches], step: Step, plan: Callable[[Step], Timeline]) -> Batches:
    """Returns what gives the timelines of a step by its batch, the same each time."""
    return known.setdefault(step.of(1), Batches(lambda batch: plan(step.of(batch))))
