"""The memory of one training step, planned to the byte.

What is counted: raw bytes of live tensors in a step whose optimizer state is present already (the
second or a later one), input and labels alive, the logits let go once the loss has them. An
allocator's rounding, libraries' workspaces and a GPU's context are not in it.
"""

from dataclasses import dataclass

from hpml_lab.errors import unknown
from hpml_lab.theory.optimizers import Parameters, state_bytes, temporary_bytes
from hpml_lab.theory.scalars import whole
from hpml_lab.theory.timeline import Recorder

DTYPES = ("float32", "bfloat16")


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
        InputError: for a batch or accumulate below 1, an unknown dtype, or what the optimizer
            does not have.
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
        self.state_bytes([])
        self.temporary_bytes([])

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


def record_optimizer(recorder: Recorder, step: Step, parameters: Parameters) -> None:
    """Notes the optimizer's step: its temporaries, at their fullest."""
    recorder.phase, recorder.layer = "optimizer", ""
    recorder.free(recorder.allocate(step.temporary_bytes(parameters)))
