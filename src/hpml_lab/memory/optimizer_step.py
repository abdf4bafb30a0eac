"""Settings of a training step, and the memory of its optimizer.

Plans count raw bytes of live tensors in a step whose optimizer state exists already (the second or
a later one), with input and labels alive, and the logits freed once the loss is computed. The
allocator's rounding, workspaces of libraries and a GPU's context are not included.
"""

import math
from dataclasses import dataclass, replace

from hpml_lab.errors import InputError, unknown
from hpml_lab.memory.timeline import Recorder, Timeline
from hpml_lab.theory.optimizers import Parameters, sizes, state_bytes, temporary_bytes
from hpml_lab.theory.validation import check_int

PRECISIONS = ("float32", "bfloat16")
_WITH_MOMENTUM = ("sgd", "rmsprop")
_ELEMENT_BYTES = 4  # autocast leaves parameters, gradients and state in float32


@dataclass(frozen=True, kw_only=True)
class Step:
    """Settings of a training step.

    Attributes:
        batch_size: Samples in one forward and backward pass.
        optimizer: A name that `theory.optimizers` knows.
        momentum: Momentum of SGD or RMSprop.
        nesterov: Whether SGD uses Nesterov momentum.
        amsgrad: Whether Adam or AdamW keeps the largest second moment.
        centered: Whether RMSprop keeps the mean gradient.
        weight_decay: Weight decay; 0 for none.
        implementation: ``foreach``, ``for-loop`` or ``fused``.
        precision: ``float32``, or ``bfloat16`` for autocast of the forward pass and the loss.
        keep_gradients: Whether gradients are zeroed between steps instead of set to None.
        accumulate: Forward and backward passes per optimizer step.

    Raises:
        InputError: for a batch_size or accumulate below 1, an unknown precision, a momentum or
            weight decay below 0, or an option that the optimizer does not have.
    """

    batch_size: int
    optimizer: str = "sgd"
    momentum: float = 0
    nesterov: bool = False
    amsgrad: bool = False
    centered: bool = False
    weight_decay: float = 0
    implementation: str = "foreach"
    precision: str = "float32"
    keep_gradients: bool = False
    accumulate: int = 1

    def __post_init__(self) -> None:
        check_int("batch_size", self.batch_size, 1)
        check_int("accumulate", self.accumulate, 1)
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)
        for name in ("momentum", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; it must be a number from 0 on")
        if self.momentum and self.optimizer not in _WITH_MOMENTUM:
            raise InputError(
                f"momentum is {self.momentum} for {self.optimizer}; only "
                f"{' and '.join(_WITH_MOMENTUM)} have one"
            )
        self.state_bytes([])
        self.temporary_bytes([])

    @property
    def passes(self) -> "Step":
        """The same forward and backward passes, with an optimizer without state."""
        return Step(
            batch_size=self.batch_size,
            precision=self.precision,
            keep_gradients=self.keep_gradients,
            accumulate=self.accumulate,
        )

    def with_batch_size(self, batch_size: int) -> "Step":
        """Returns the same step with another batch size."""
        return replace(self, batch_size=batch_size)

    def state_bytes(self, parameters: Parameters) -> int:
        """Returns the bytes of the optimizer's state for these float32 parameters."""
        return state_bytes(
            self.optimizer,
            parameters,
            momentum=self.momentum,
            amsgrad=self.amsgrad,
            centered=self.centered,
        )

    def temporary_bytes(self, parameters: Parameters) -> int:
        """Returns the peak bytes of temporaries in the optimizer's step."""
        return temporary_bytes(
            self.optimizer,
            parameters,
            weight_decay=self.weight_decay,
            implementation=self.implementation,
            momentum=self.momentum,
            nesterov=self.nesterov,
        )


def record_state(recorder: Recorder, step: Step, parameters: Parameters) -> None:
    """Records the optimizer's state, tensor by tensor."""
    copies = step.state_bytes([1]) // _ELEMENT_BYTES
    for size in sizes(parameters):
        for _ in range(copies):
            recorder.allocate(_ELEMENT_BYTES * size, "optimizer_state")


def record_update(recorder: Recorder, step: Step, parameters: Parameters) -> None:
    """Records the optimizer's step: its temporaries at their peak."""
    recorder.phase, recorder.layer = "optimizer", ""
    recorder.free(recorder.allocate(step.temporary_bytes(parameters)))


def with_optimizer(timeline: Timeline, step: Step, parameters: Parameters) -> Timeline:
    """Returns the same forward and backward passes with another optimizer's state and update."""
    recorder = Recorder()
    record_state(recorder, step, parameters)
    numbers: dict[int, int] = {}
    for event in timeline.events:
        category = timeline.categories[event.block]
        if event.phase == "optimizer" or category == "optimizer_state":
            continue
        recorder.phase, recorder.layer = event.phase, event.layer
        if event.block in numbers:
            recorder.free(numbers[event.block])
        else:
            numbers[event.block] = recorder.allocate(event.change_bytes, category)
    record_update(recorder, step, parameters)
    return recorder.timeline()
