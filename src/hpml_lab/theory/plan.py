"""What a declared training step will need, as the numbers that people ask for."""

from dataclasses import dataclass, fields

from hpml_lab.theory.fitting import Device, Fit, fit
from hpml_lab.theory.timeline import Timeline


@dataclass(frozen=True)
class Plan:
    """What a step that is not the first will need, in raw bytes of tensors.

    Attributes:
        parameters: elements of all parameters.
        trainable_parameters: elements of those that require a gradient.
        parameters_bytes: of all parameters.
        buffers_bytes: of all buffers.
        gradients_bytes: of the gradients that the backward pass leaves.
        optimizer_state_bytes: what the optimizers keep, step counters apart.
        optimizer_temporary_bytes: the most that the optimizers' step holds besides.
        activations_bytes: what the forward pass keeps for the backward one.
        input_bytes: of the batch.
        peak_bytes: the most alive at once.
        flops_per_sample: forward and backward, multiply-add = 2; None where samples are unknown.
        samples: in the batch; None where it does not tell.
        left_out: operators that multiply, or may, and are not in the FLOP.
        products: paths of the linear layers, whose matrix products have a workspace on a GPU.
        counters: step counters that its optimizers keep on a GPU, see `gpu_memory`.
        timeline: what is alive when.
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
    timeline: Timeline

    def fit(self, device: Device) -> Fit:
        """Returns what the step takes on a GPU, and whether it fits."""
        return fit(self.timeline, device, products=self.products, counters=self.counters)

    @property
    def numbers(self) -> dict[str, int | None]:
        """The bytes and counts by name."""
        names = [field.name for field in fields(self) if field.name not in _NOT_NUMBERS]
        return {name: getattr(self, name) for name in names}


_NOT_NUMBERS = frozenset({"samples", "left_out", "products", "counters", "timeline"})
