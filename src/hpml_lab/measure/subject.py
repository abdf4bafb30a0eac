"""What is known of the step that is measured: told by a `TrainingStep`, or beside a function."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpml_lab.measure.record import Value
from hpml_lab.theory.scalars import whole

if TYPE_CHECKING:
    from hpml_lab.workloads.step import TrainingStep


@dataclass(frozen=True)
class Subject:
    """What a step works on and with.

    Attributes:
        models: modules that it trains.
        optimizers: that it steps.
        batch: tensors in any nesting; None if nobody has told.
        samples: one call works on.
        tokens: one call works on.
        precision: of a `TrainingStep`.
        training: the `TrainingStep` itself, if it is one.
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
        """Whether anything is known that can be counted."""
        return bool(self.models or self.optimizers or self.batch is not None)

    @property
    def devices(self) -> set[str]:
        """The kinds of device that parameters and batch lie on."""
        if not self.is_told:
            return set()
        from hpml_lab.workloads.batches import tensors

        held = [p for model in self.models for p in model.parameters()]
        return {tensor.device.type for tensor in (*held, *tensors(self.batch))}

    @property
    def described(self) -> dict[str, Value]:
        """What names the case beyond its parameters: devices, types, shapes, threads, numerics.

        Returns:
            nothing where nothing is told.
        """
        if not self.is_told:
            return {}
        from hpml_lab.measure.numerics import numerics
        from hpml_lab.measure.threads import threads
        from hpml_lab.workloads.batches import shapes

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
        """The kind of device that the work is on; None if it is not known."""
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
    """Returns what is known of a step.

    Args:
        step: any callable, or a `TrainingStep`, which knows all of the rest.
        model: a module or several, in place of those that the step knows; and so with the rest.
        optimizer: one or several.
        batch: tensors in any nesting.
        samples: one call works on.
        tokens: one call works on.

    Raises:
        InputError: for a model, an optimizer or a number that is none.
    """
    numbers = {"samples": samples, "tokens": tokens}
    told: dict[str, Any] = {n: whole(n, v, 1) for n, v in numbers.items() if v is not None}
    if not (model is None and optimizer is None and batch is None):
        told = _objects(model, optimizer, batch) | told
    return replace(_told_by(step), **told)


def _objects(model: Any, optimizer: Any, batch: Any) -> dict[str, Any]:
    from hpml_lab.workloads.batches import common_length
    from hpml_lab.workloads.step import checked_models, checked_optimizers

    told: dict[str, Any] = {}
    if model is not None:
        told["models"] = checked_models(model)
    if optimizer is not None:
        told["optimizers"] = checked_optimizers(optimizer)
    if batch is not None:
        told |= {"batch": batch, "samples": common_length(batch)}
    return told


def _told_by(step: Callable[..., Any]) -> Subject:
    steps = sys.modules.get("hpml_lab.workloads.step")  # who has not imported it has no such step
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
