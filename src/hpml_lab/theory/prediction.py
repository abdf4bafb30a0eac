"""What training steps of one network will need, as the numbers that people ask for."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property, lru_cache

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
        """Returns the step's timeline; passes of one batch are planned once for all optimizers.

        Raises:
            InputError: if the network cannot take such a batch.
        """
        return with_optimizer(self._passes(step.passes), step, self.trained)

    def largest_batch(self, step: Step, limit_bytes: int) -> int:
        """Returns the largest batch whose step, else as given, is within the limit.

        Raises:
            InputError: if not even one sample fits.
        """
        return largest_batch(lambda batch: self.plan(step.of(batch)), limit_bytes)

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
    def _passes(self) -> Callable[[Step], Timeline]:
        return lru_cache(maxsize=None)(self.passes)
