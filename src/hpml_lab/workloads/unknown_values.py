"""Numbers for optimizers that read values, while a step is planned on tensors that have none.

LBFGS asks whether it has converged, Adafactor and ASGD how many steps they have taken. What they
allocate does not depend on the numbers as long as nothing has converged. A model or a loss that
reads values decides what is computed, and stays refused.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from hpml_lab.workloads.optimizer_state import kept_tensors
from hpml_lab.workloads.step import TrainingStep

_ATEN = torch.ops.aten
_READ = _ATEN._local_scalar_dense.default
_LESS = {_ATEN.le.Scalar, _ATEN.lt.Scalar}
_MORE = {_ATEN.ge.Scalar, _ATEN.gt.Scalar}

_KEPT = {"mu_product": 0.5}  # NAdam divides by what is left of 1; all else begins with 1


class _Values(TorchDispatchMode):
    """Answers what an optimizer's step reads: never less than a bound, more than a positive one.

    Args:
        optimizers: whose step it is.

    Attributes:
        updating: whether an optimizer's own code runs.
    """

    def __init__(self, optimizers: Sequence[Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._optimizers = optimizers
        self.updating = False
        self._numbers = count(1)  # each another one, as values that go on changing
        self._answers = WeakTensorKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is _READ and self.updating:
            return self._value(args[0])
        result = func(*args, **(kwargs or {}))
        if func in _LESS or func in _MORE:
            self._answers[result] = func in _MORE and args[1] >= 0
        return result

    def _value(self, tensor: Tensor) -> bool | int | float:
        if tensor.dtype == torch.bool:
            return bool(self._answers.get(tensor, False))
        number = self._kept(tensor) or next(self._numbers)
        return float(number) if tensor.dtype.is_floating_point else int(number)

    def _kept(self, tensor: Tensor) -> float | None:
        """Returns the number of a scalar that an optimizer keeps, such as a counter; else None."""
        kept = kept_tensors(*self._optimizers)
        return next((_KEPT.get(name, 1) for name, found in kept if found is tensor), None)


@contextmanager
def readable(step: TrainingStep) -> Iterator[None]:
    """A context in which the optimizers of a step may read values, and nothing else may."""
    values = _Values(step.optimizers)
    passes = step._backward

    def backward(forward: Any) -> Tensor:
        before, values.updating = values.updating, False
        try:
            return passes(forward)
        finally:
            values.updating = before

    def set_updating(now: bool) -> Callable[..., None]:
        return lambda *_: setattr(values, "updating", now)

    hooks = [
        hook
        for optimizer in step.optimizers
        for hook in (
            optimizer.register_step_pre_hook(set_updating(True)),
            optimizer.register_step_post_hook(set_updating(False)),
        )
    ]
    step._backward = backward  # type: ignore[method-assign]
    try:
        with values:
            yield
    finally:
        step._backward = passes  # type: ignore[method-assign]
        for hook in hooks:
            hook.remove()
