"""Description of the measured step: from a `TrainingStep`, or from arguments of `measure`."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpml_lab.runs.schema import Value
from hpml_lab.theory.validation import check_int

if TYPE_CHECKING:
    from hpml_lab.training.step import TrainingStep


@dataclass(frozen=True)
class Subject:
    """Models, optimizers and data of a step.

    Attributes:
        models: Modules that the step trains.
        optimizers: Optimizers of the step.
        batch: Tensors in any nesting; None if unknown.
        samples: Samples per call.
        tokens: Tokens per call.
        precision: Precision of a `TrainingStep`.
        training: The `TrainingStep` itself, if the step is one.
    """

    models: tuple[Any, ...] = ()
    optimizers: tuple[Any, ...] = ()
    batch: Any = None
    samples: int | None = None
    tokens: int | None = None
    precision: str | None = None
    training: "TrainingStep | None" = None

    @property
    def is_told(self) -> bool:
        """Whether a model, an optimizer or a batch is known."""
        return bool(self.models or self.optimizers or self.batch is not None)

    @property
    def devices(self) -> set[str]:
        """Device types of the parameters and the batch."""
        if not self.is_told:
            return set()
        from hpml_lab.training.batches import tensors

        held = [p for model in self.models for p in model.parameters()]
        return {tensor.device.type for tensor in (*held, *tensors(self.batch))}

    @property
    def described(self) -> dict[str, Value]:
        """Settings of the case in addition to its parameters: device, dtype, shapes, threads.

        Returns:
            An empty dict if nothing is known.
        """
        if not self.is_told:
            return {}
        from hpml_lab.measure.torch_settings import numerics, threads
        from hpml_lab.training.batches import shapes

        dtypes = {str(p.dtype) for model in self.models for p in model.parameters()}
        known: dict[str, Value] = {
            "device": self.device,
            "precision": self.precision,
            "dtype": " ".join(sorted(dtype.removeprefix("torch.") for dtype in dtypes)),
            "batch": shapes(self.batch),
        }
        return {n: value for n, value in known.items() if value} | threads() | numerics(self.device)

    @property
    def device(self) -> str | None:
        """Type of the device that the step works on; None if unknown."""
        if self.training is not None:
            return self.training.device
        others = self.devices - {"cpu"}
        return min(others) if others else "cpu" if self.is_told else None


def subject_of(
    step: Callable[..., Any],
    model: Any = None,
    optimizer: Any = None,
    batch: Any = None,
    samples: Any = None,
    tokens: Any = None,
) -> Subject:
    """Returns the subject of a step; arguments override the attributes of a `TrainingStep`.

    Args:
        step: Any callable, or a `TrainingStep`, which gives all other values.
        model: A module or several.
        optimizer: An optimizer or several.
        batch: Tensors in any nesting.
        samples: Samples per call.
        tokens: Tokens per call.

    Raises:
        InputError: for an invalid model, optimizer or number.
    """
    numbers = {"samples": samples, "tokens": tokens}
    given: dict[str, Any] = {n: check_int(n, v, 1) for n, v in numbers.items() if v is not None}
    if not (model is None and optimizer is None and batch is None):
        given = _objects(model, optimizer, batch) | given
    return replace(_from_training_step(step), **given)


def _objects(model: Any, optimizer: Any, batch: Any) -> dict[str, Any]:
    from hpml_lab.training.batches import common_length
    from hpml_lab.training.step import checked_models, checked_optimizers

    given: dict[str, Any] = {}
    if model is not None:
        given["models"] = checked_models(model)
    if optimizer is not None:
        given["optimizers"] = checked_optimizers(optimizer)
    if batch is not None:
        given |= {"batch": batch, "samples": common_length(batch)}
    return given


def _from_training_step(step: Callable[..., Any]) -> Subject:
    steps = sys.modules.get("hpml_lab.training.step")  # without the import no such step exists
    if steps is None or not isinstance(step, steps.TrainingStep):
        return Subject()
    return Subject(
        models=step.models,
        optimizers=step.optimizers,
        batch=step.batch,
        samples=step.samples,
        tokens=step.tokens,
        precision=step.precision,
        training=step,
    )
