"""Memory plans of a declared training step and of a network."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from hpml_lab.memory.fitting import Device, Fit, fit, fits
from hpml_lab.memory.largest_batch import Batches, largest_batch
from hpml_lab.memory.optimizer_step import Step, with_optimizer
from hpml_lab.memory.timeline import Timeline
from hpml_lab.theory.data_parallel import Gradient
from hpml_lab.theory.optimizers import Parameters, sizes


@dataclass(frozen=True)
class Plan:
    """Memory plan of a step that is not the first, in raw bytes of tensors.

    Attributes:
        parameters: Elements of all parameters.
        trainable_parameters: Elements of the parameters that require a gradient.
        parameters_bytes: Bytes of all parameters.
        buffers_bytes: Bytes of all buffers.
        gradients_bytes: Bytes of the gradients after the backward pass.
        optimizer_state_bytes: Bytes of the optimizers' state, without step counters.
        optimizer_temporary_bytes: Peak of temporaries in the optimizers' step.
        activations_bytes: Bytes that the forward pass keeps for the backward pass.
        input_bytes: Bytes of the batch.
        peak_bytes: Peak of live bytes.
        flops_per_sample: Forward and backward, multiply-add = 2; None if samples are unknown.
        samples: Samples in the batch; None if unknown.
        left_out: Operators that multiply, or may, and are not in the FLOP.
        products: Paths of the linear layers, whose matrix products have a workspace on a GPU.
        counters: Number of step counters of its optimizers on a GPU, see `gpu`.
        gradients: Every gradient by its parameter's name, in the order in which they are ready; the
            share of the work is that of the FLOP.
        timeline: Live blocks over the step.
    """

    parameters: int
    trainable_parameters: int
    parameters_bytes: int
    buffers_bytes: int
    gradients_bytes: int
    optimizer_state_bytes: int
    optimizer_temporary_bytes: int
    activations_bytes: int
    input_bytes: int
    peak_bytes: int
    flops_per_sample: int | None
    samples: int | None
    left_out: tuple[str, ...]
    products: tuple[str, ...]
    counters: int
    gradients: dict[str, Gradient]
    timeline: Timeline

    def fit(self, device: Device) -> Fit:
        """Returns the memory of the step on a GPU, and whether it fits."""
        return fit(self.timeline, device, products=self.products, counters=self.counters)

    @property
    def numbers(self) -> dict[str, int | None]:
        """Bytes and counts by name."""
        names = [field.name for field in fields(self) if field.name not in _NOT_NUMBERS]
        return {name: getattr(self, name) for name in names}


_NOT_NUMBERS = frozenset({"samples", "left_out", "products", "counters", "gradients", "timeline"})


@dataclass(frozen=True)
class Network:
    """A network for one image size, ready for a plan.

    Attributes:
        name: Name of the network, as given.
        classes: Outputs of its last layer.
        image: Side of its images in pixels.
        parameters: Elements of all parameters.
        trained: Elements of each parameter tensor that is trained.
        flops_per_sample: FLOP of convolutions and matrix products, forward and backward,
            multiply-add = 2.
        products: Paths of its linear layers, whose matrix products need a workspace on a GPU.
        method: ``recurrence`` over layers or ``trace`` of the operators.
        passes: Plans the forward and backward passes of a step; its optimizer events are not used.
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
            InputError: if the network does not accept such a batch.
        """
        passes = _lines(self._passes, step.passes, self.passes)
        updated = _lines(
            self._steps,
            step,
            lambda other: with_optimizer(passes(other.batch_size), other, self.trained),
        )
        return updated(step.batch_size)

    def fit(self, step: Step, device: Device) -> Fit:
        """Returns the memory of a step on a device, and whether it fits.

        Raises:
            InputError: if the network does not accept such a batch.
        """
        return fit(self.plan(step), device, **self._on_gpu(step))

    def largest_batch(self, step: Step, device: Device) -> int:
        """Returns the largest batch size with which the step fits into a device's memory.

        Raises:
            InputError: if a batch of one sample does not fit, or the memory is unknown.
        """
        return largest_batch(
            lambda batch: self.plan(step.with_batch_size(batch)),
            device.known_bytes,
            lambda timeline: fits(timeline, device, **self._on_gpu(step)),
        )

    def _on_gpu(self, step: Step) -> dict[str, Any]:
        counters = len(list(sizes(self.trained))) if step.implementation == "fused" else 0
        return {"products": self.products, "counters": counters}

    def numbers(self, step: Step) -> dict[str, int]:
        """Returns raw bytes and counts of a step, by name.

        Raises:
            InputError: if the network does not accept such a batch.
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
    """Returns the timelines of a step by batch, created once per step."""
    return known.setdefault(
        step.with_batch_size(1), Batches(lambda batch: plan(step.with_batch_size(batch)))
    )
