"""One optimizer step of any training on a fixed batch: the declaration for all commands."""

import contextlib
import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from hpml_lab.errors import InputError, unknown
from hpml_lab.theory.validation import check_int
from hpml_lab.training.batches import common_length, on_device, tensors

Loss = Callable[[Any, Any], Tensor]
PRECISIONS = ("float32", "bfloat16", "float16")


def autocast(device: str, precision: str) -> contextlib.AbstractContextManager[Any]:
    """Returns the autocast context of a precision; a null context for ``float32``.

    Raises:
        InputError: for a precision that is not in `PRECISIONS`.
    """
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device, getattr(torch, precision))


class TrainingStep:
    """One optimizer step on one fixed batch, callable without arguments.

    Give ``loss`` if a batch is a pair and the loss takes outputs and targets; give
    ``compute_loss`` in all other cases.

    Args:
        model: A module, or a sequence of modules.
        optimizer: An object with ``step`` and ``zero_grad``, or a sequence of them; if its ``step``
            needs a closure, as with LBFGS, forward and backward pass are its closure.
        loss: Maps the model's outputs and the targets to a scalar; the batch is then the pair of
            inputs and targets.
        batch: Tensors in any nesting, on the device that the model expects.
        compute_loss: Maps ``model``, as given, and a batch to a scalar.
        samples: Samples per batch; by default the common length of dimension 0 of all tensors.
        tokens: Tokens per batch; None if they are not counted.
        precision: ``float32``, or ``bfloat16`` or ``float16`` for autocast of the forward pass and
            the loss; ``float16`` with a gradient scaler.
        loader: Yields batches on the host; its first one is the fixed batch unless one is given.

    Attributes:
        model: As given.
        optimizer: As given.
        loss: As given.
        compute_loss: As given.
        loader: As given.
        precision: As given.
        tokens: As given.
        scaler: Gradient scaler of ``float16``; None for other precisions.
        needs_closure: Whether the optimizer's step needs a closure.
        loss_hook: Called with each loss before its backward pass; None for no hook.

    Raises:
        InputError: from the constructor for invalid arguments; from the first call for a loss that
            is no finite scalar or depends on no trainable parameter.
    """

    def __init__(
        self,
        model: nn.Module | Sequence[nn.Module],
        optimizer: Any,
        loss: Loss | None = None,
        batch: Any = None,
        *,
        compute_loss: Callable[[Any, Any], Tensor] | None = None,
        samples: int | None = None,
        tokens: int | None = None,
        precision: str = "float32",
        loader: Iterable[Any] | None = None,
    ) -> None:
        autocast("cpu", precision)
        self.model, self.optimizer = model, optimizer
        self.precision, self.loader = precision, loader
        self.loss, self.compute_loss = loss, compute_loss
        self._check_loss()
        self._check_models()
        self.needs_closure = self._check_optimizers()
        self._samples = None if samples is None else check_int("samples", samples, 1)
        self._batch = self._checked_batch(batch)
        self.tokens = None if tokens is None else check_int("tokens", tokens, 1)
        short = precision == "float16"
        self.scaler: Any = torch.amp.GradScaler(self.device) if short else None
        self.loss_hook: Callable[[Tensor], Any] | None = self._check_first

    @property
    def models(self) -> tuple[nn.Module, ...]:
        """All models, as a tuple."""
        return _several(self.model)

    @property
    def optimizers(self) -> tuple[Any, ...]:
        """All optimizers, as a tuple."""
        return _several(self.optimizer)

    @property
    def batch(self) -> Any:
        """The fixed batch; the loader's first batch is loaded on the first access."""
        if self._batch is None and self.loader is not None:
            self._batch = self.to_device(self.first_batch())
        return self._batch

    @batch.setter
    def batch(self, batch: Any) -> None:
        self._batch = self._checked_batch(batch)

    def first_batch(self) -> Any:
        """Returns the loader's first batch, on the host.

        Raises:
            InputError: if it gives none.
        """
        first = next(iter(self.loader or ()), None)
        if first is None:
            raise InputError("the loader gives no batch; use more samples or a smaller batch")
        return first

    @property
    def samples(self) -> int | None:
        """Samples in the batch; None if they are not given and the tensors do not agree."""
        return self.samples_of(self.batch)

    def samples_of(self, batch: Any) -> int | None:
        """Returns the number of samples in another batch of this training."""
        if self._samples is not None or self._reads_time_first():
            return self._samples
        return common_length(tuple(batch) if self.loss is not None else batch)

    @property
    def device(self) -> str:
        """Device type of the model, or of the batch without parameters, such as ``cpu``."""
        parameters = (parameter for model in self.models for parameter in model.parameters())
        first = next((tensor.device for tensor in (*parameters, *tensors(self._batch))), None)
        return "cpu" if first is None else first.type

    def __call__(self) -> Tensor:
        """Takes a step and returns the loss before it, a scalar on the device; frees the output."""
        return self._take(lambda: self._forward(self.batch)[0])

    def step(self, batch: Any) -> tuple[Tensor, Any]:
        """Takes a step on another batch; returns its loss and outputs, detached.

        Returns:
            Loss and outputs; None for the outputs with ``compute_loss``.
        """
        outputs: list[Any] = []

        def forward() -> Tensor:
            value, seen = self._forward(batch)
            outputs[:] = [seen.detach() if isinstance(seen, Tensor) else None]
            return value

        return self._take(forward), outputs[0]

    def to_device(self, batch: Any) -> Any:
        """Returns a batch on the first model's device."""
        parameter = next((p for model in self.models for p in model.parameters()), None)
        return batch if parameter is None else on_device(batch, parameter.device)

    def zero_grad(self) -> None:
        """Sets all gradients to None."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()

    def _forward(self, batch: Any) -> tuple[Tensor, Any]:
        with autocast(self.device, self.precision):
            if self.compute_loss is not None:
                return self.compute_loss(self.model, batch), None
            assert self.loss is not None  # noqa: S101 - one of the two is given
            inputs, targets = batch
            outputs = self.models[0](inputs)
            return self.loss(outputs, targets), outputs

    def _take(self, forward: Callable[[], Tensor]) -> Tensor:
        if self.needs_closure:
            return self._take_closure(forward)
        value = self._backward(forward)
        for optimizer in self.optimizers:
            self.scaler.step(optimizer) if self.scaler else optimizer.step()
        if self.scaler:
            self.scaler.update()
        return value

    def _take_closure(self, forward: Callable[[], Tensor]) -> Tensor:
        values: list[Tensor] = []

        def closure() -> Tensor:
            values.append(self._backward(forward))
            return values[-1]

        self.optimizers[0].step(closure)
        if not values:
            raise InputError(
                f"{_named(self.optimizers[0])} never called its closure; mend its step"
            )
        return values[0]

    def _backward(self, forward: Callable[[], Tensor]) -> Tensor:
        self.zero_grad()
        value = forward()
        if self.loss_hook is not None:
            self.loss_hook(value)
        (self.scaler.scale(value) if self.scaler else value).backward()
        return value.detach()

    def _reads_time_first(self) -> bool:
        """Whether a module has ``batch_first=False``, so that dimension 0 is time."""
        modules = (module for model in self.models for module in model.modules())
        return any(getattr(module, "batch_first", True) is False for module in modules)

    def _check_loss(self) -> None:
        if (self.loss is None) == (self.compute_loss is None):
            got = "neither" if self.loss is None else "both"
            raise InputError(
                f"a TrainingStep takes loss or compute_loss, and got {got}; give loss(outputs, "
                "targets) for a pair, or compute_loss(model, batch) for any batch"
            )
        if not callable(self.loss or self.compute_loss):
            kind = type(self.loss or self.compute_loss).__name__
            raise InputError(f"the loss is a {kind}, which cannot be called; give a function")

    def _check_models(self) -> None:
        if self.loss is not None and len(checked_models(self.model)) > 1:
            raise InputError(
                f"loss(outputs, targets) takes the outputs of one model, and {len(self.models)} "
                "were given; give compute_loss(models, batch)"
            )

    def _check_optimizers(self) -> bool:
        """Checks the optimizers; returns True if the optimizer needs a closure."""
        optimizers = checked_optimizers(self.optimizer)
        updated = {id(p) for optimizer in optimizers for p in _parameters(optimizer)}
        own = {id(p) for model in self.models for p in model.parameters()}
        if self.loss is not None and updated and updated.isdisjoint(own):
            raise InputError(
                "the optimizer updates none of the model's parameters; make it with "
                "model.parameters(), after the model is where and what it is to be"
            )
        closures = [_needs_closure(optimizer) for optimizer in optimizers]
        if any(closures) and (len(closures) > 1 or self.precision == "float16"):
            raise InputError(
                f"{_named(optimizers[closures.index(True)])} needs a closure, which goes with no "
                "second optimizer and no gradient scaler; give measure a function of your own"
            )
        return any(closures)

    def _checked_batch(self, batch: Any) -> Any:
        if batch is None and self.loader is None:
            raise InputError("batch is None; give the tensors that a step trains on, or a loader")
        if isinstance(batch, str | bytes):
            raise InputError(f"batch is {_named(batch)}; give the tensors that a step trains on")
        pair = isinstance(batch, list | tuple) and len(batch) == 2
        if batch is not None and self.loss is not None and not pair:
            length = f" of {len(batch)}" if isinstance(batch, list | tuple) else ""
            raise InputError(
                f"loss(outputs, targets) needs a batch of two, inputs and targets, and got "
                f"{_named(batch)}{length}; give compute_loss(model, batch) for any other batch"
            )
        if batch is not None and self.samples_of(batch) == 0:
            raise InputError("the batch holds no sample; give one or more")
        return batch

    def _check_first(self, value: Any) -> None:
        self.loss_hook = None
        if not isinstance(value, Tensor) or value.numel() != 1:
            shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor) else ""
            raise InputError(
                f"the loss is {_named(value)}{shape}; return one number as a tensor, such as "
                "loss.mean()"
            )
        if not value.requires_grad:
            raise InputError(
                "the loss depends on no parameter that requires a gradient; leave out detach(), "
                "item() and no_grad(), and unfreeze what is to be trained"
            )
        if not isinstance(value, FakeTensor) and value.device.type != "meta":
            require_finite(value.item())


def checked_models(model: Any) -> tuple[nn.Module, ...]:
    """Returns one or several models as a tuple.

    Raises:
        InputError: if there is no model, or one is not a module.
    """
    for one in (models := _several(model)) or (None,):
        if not isinstance(one, nn.Module):
            raise InputError(f"model is {_named(one)}; give a torch.nn.Module or several")
    return models


def checked_optimizers(optimizer: Any) -> tuple[Any, ...]:
    """Returns one or several optimizers as a tuple.

    Raises:
        InputError: if there is no optimizer, or one has no ``step`` or ``zero_grad``.
    """
    for one in (optimizers := _several(optimizer)) or (None,):
        usable = all(callable(getattr(one, name, None)) for name in ("step", "zero_grad"))
        if isinstance(one, type) or not usable:
            raise InputError(
                f"optimizer is {_named(one)}; give a torch.optim.Optimizer or several, made over "
                "the model's parameters"
            )
    return optimizers


def require_finite(value: float) -> None:
    """Refuses a first loss that is not finite.

    Raises:
        InputError: if the loss is NaN or infinite.
    """
    if not math.isfinite(value):
        raise InputError(
            f"the first loss is {value}; check the batch, or train with a lower learning rate"
        )


def _several(one: Any) -> tuple[Any, ...]:
    return tuple(one) if isinstance(one, list | tuple) else (one,)


def _parameters(optimizer: Any) -> Iterable[Any]:
    for group in getattr(optimizer, "param_groups", ()):
        yield from group["params"]


def _needs_closure(optimizer: Any) -> bool:
    try:
        closure = inspect.signature(optimizer.step).parameters.get("closure")
    except (TypeError, ValueError):
        return False
    return closure is not None and closure.default is closure.empty


def _named(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "None" if value is None else f"a {type(value).__name__}"
