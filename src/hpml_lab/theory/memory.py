"""The memory of one training step, planned to the byte.

What is counted: raw bytes of live tensors in a step whose optimizer state is present already (the
second or a later one), input and labels alive, the logits let go once the loss has them. An
allocator's rounding, libraries' workspaces and a GPU's context are not in it.
"""

import math
from dataclasses import dataclass, replace

from hpml_lab.errors import InputError, unknown
from hpml_lab.theory.optimizers import Parameters, sizes, state_bytes, temporary_bytes
from hpml_lab.theory.scalars import whole
from hpml_lab.theory.timeline import Recorder, Timeline

DTYPES = ("float32", "bfloat16")
_WITH_MOMENTUM = ("sgd", "rmsprop")
_ELEMENT_BYTES = 4  # autocast leaves parameters, gradients and state in float32


@dataclass(frozen=True, kw_only=True)
class Step:
    """How a training step is taken.

    Attributes:
        batch: samples in one forward and backward pass.
        optimizer: a name that `theory.optimizers` knows.
        momentum: SGD's or RMSprop's.
        nesterov: whether SGD looks ahead.
        amsgrad: whether Adam or AdamW keeps the largest second moment.
        centered: whether RMSprop keeps the mean gradient.
        weight_decay: any value but 0 decays the weights.
        implementation: ``foreach``, ``loop`` or ``fused``.
        dtype: ``float32``, or ``bfloat16`` for autocast of the forward pass and the loss.
        keep_gradients: whether gradients are zeroed between steps instead of set to None.
        accumulate: forward and backward passes before the optimizer's step.

    Raises:
        InputError: for a batch or accumulate below 1, an unknown dtype, a momentum or weight
            decay below 0, or what the optimizer does not have.
    """

    batch: int
    optimizer: str = "sgd"
    momentum: float = 0
    nesterov: bool = False
    amsgrad: bool = False
    centered: bool = False
    weight_decay: float = 0
    implementation: str = "foreach"
    dtype: str = "float32"
    keep_gradients: bool = False
    accumulate: int = 1

    def __post_init__(self) -> None:
        whole("batch", self.batch, 1)
        whole("accumulate", self.accumulate, 1)
        if self.dtype not in DTYPES:
            raise unknown("dtype", self.dtype, DTYPES)
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
        """The same forward and backward passes, with an optimizer that keeps nothing."""
        return Step(
            batch=self.batch,
            dtype=self.dtype,
            keep_gradients=self.keep_gradients,
            accumulate=self.accumulate,
        )

    def of(self, batch: int) -> "Step":
        """Returns the same step on a batch of another size."""
        return replace(self, batch=batch)

    def state_bytes(self, parameters: Parameters) -> int:
        """Returns the optimizer's state for these float32 parameters."""
        return state_bytes(
            self.optimizer,
            parameters,
            momentum=self.momentum,
            amsgrad=self.amsgrad,
            centered=self.centered,
        )

    def temporary_bytes(self, parameters: Parameters) -> int:
        """Returns what the optimizer's step holds besides its state."""
        return temporary_bytes(
            self.optimizer,
            parameters,
            weight_decay=self.weight_decay,
            implementation=self.implementation,
            momentum=self.momentum,
            nesterov=self.nesterov,
        )


def record_state(recorder: Recorder, step: Step, parameters: Parameters) -> None:
    """Notes the optimizer's state, tensor by tensor."""
    copies = step.state_bytes([1]) // _ELEMENT_BYTES
    for size in sizes(parameters):
        for _ in range(copies):
            recorder.allocate(_ELEMENT_BYTES * size, "optimizer_state")


def record_update(recorder: Recorder, step: Step, parameters: Parameters) -> None:
    """Notes the optimizer's step: its temporaries, at their fullest."""
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
