"""Fake tensors, of which those that are computed from numbers alone keep their values.

Networks compute their structure with tensors: widths of stages, or dropout rates of blocks by
``torch.linspace``; and `nn.Transformer` checks whether a mask is causal. Weights are random, and no
structure depends on random values.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any
from warnings import catch_warnings, filterwarnings

import torch
from torch import Tensor, nn
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.distributions import Distribution
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import init
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from hpml_lab.training.optimizers import kept_tensors
from hpml_lab.training.refusals import refusing
from hpml_lab.training.step import TrainingStep

_FROM_NUMBERS = {
    torch.arange,
    torch.eye,
    torch.full,
    torch.linspace,
    torch.logspace,
    torch.ones,
    torch.zeros,
}
_MOST_ELEMENTS = 2**22  # of a tensor that keeps its values: a mask of 2,048 words


class KnownMode(FakeTensorMode):
    """A fake tensor mode in which all tensors keep known values, not only scalars.

    Attributes:
        building: Whether views keep them too. A view then has its own storage, which is wrong when
            storages are counted.
    """

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True)
        self.building = True

    def may_turn_const(self, t: Tensor) -> bool:
        """Whether a real tensor becomes a fake one that keeps its values."""
        usual = not self.is_our_fake(t) and t.layout == torch.strided and not t.is_meta
        return usual and t.numel() <= _MOST_ELEMENTS and (self.building or not self._is_view(t))

    def _is_view(self, tensor: Tensor) -> bool:
        known = self.fake_tensor_converter.constant_storage_mapping
        return StorageWeakRef(tensor._typed_storage()) in known


@contextmanager
def without_values(name: str) -> Iterator[KnownMode]:
    """A context in which only tensors with known values take memory.

    Args:
        name: Name of the workload, for the error message.

    Raises:
        InputError: for an operation that fake tensors do not support.
    """
    mode = KnownMode()
    with (
        refusing(f"{name} fails while it is planned, on tensors that have shapes but no values"),
        catch_warnings(),
    ):
        # Copying a module triggers the warning.
        filterwarnings("ignore", message="Accessing the data pointer of FakeTensor")
        with (
            mode,
            _KnownValues(mode),
            _replaced(fake_tensor.log, "disabled", True),  # one line says what it would
            _replaced(FakeTensor, "__deepcopy__", _copied),
            _replaced(torch.utils, "swap_tensors", _converted),
            # They read values to validate their arguments.
            _replaced(Distribution, "_validate_args", False),
            # It draws again while a value that it reads is out of range.
            _replaced(init, "_no_grad_trunc_normal_", lambda tensor, *_, **__: tensor),
        ):
            yield mode


class _KnownValues(TorchFunctionMode):
    """Keeps the values of tensors that are created from numbers, unless they are very large."""

    def __init__(self, mode: FakeTensorMode) -> None:
        super().__init__()
        self._mode = mode

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Calls a function of torch."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func not in _FROM_NUMBERS or result.numel() > _MOST_ELEMENTS or not result.is_cpu:
            return result
        if any(isinstance(given, Tensor) for given in (*args, *kwargs.values())):
            return result
        with unset_fake_temporarily():
            result.constant = func(*args, **kwargs)
        self._mode.fake_tensor_converter.add_constant_storage_mapping(result)
        return result


def _converted(parameter: Any, conversion: Any) -> None:
    """Converts a parameter in place, as in ``model.to(torch.bfloat16)``, with its known values.

    PyTorch swaps a tensor without storage for its conversion, and refuses to if a weak reference to
    it exists, such as those of the fake tensor mode.
    """
    parameter.data = conversion.data
    parameter.fake_device = conversion.fake_device
    parameter.constant = conversion.constant


def _copied(tensor: Tensor, memo: dict[int, Any]) -> Tensor:
    """Copies a tensor of a module, as when `nn.TransformerEncoder` copies its layer.

    PyTorch's own copy of a tensor without storage returns a new storage on each access.
    """
    if id(tensor) not in memo:
        with torch.no_grad():
            copied = tensor.clone()
        kind = nn.Parameter if isinstance(tensor, nn.Parameter) else Tensor.requires_grad_
        memo[id(tensor)] = kind(copied, tensor.requires_grad)
    result: Tensor = memo[id(tensor)]
    return result


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is None:  # inherited
            delattr(owner, name)
        else:
            setattr(owner, name, before)


_ATEN = torch.ops.aten
_READ = _ATEN._local_scalar_dense.default
_LESS = {_ATEN.le.Scalar, _ATEN.lt.Scalar}
_MORE = {_ATEN.ge.Scalar, _ATEN.gt.Scalar}

_KEPT = {"mu_product": 0.5}  # NAdam divides by 1 minus it; all other scalars begin with 1


class _Values(TorchDispatchMode):
    """Values that an optimizer's step reads: never below a bound, and above any positive bound.

    Args:
        optimizers: Optimizers of the step.

    Attributes:
        updating: Whether the code of an optimizer runs.
    """

    def __init__(self, optimizers: Sequence[Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._optimizers = optimizers
        self.updating = False
        self._numbers = count(1)  # distinct, as values that keep changing
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
        """Returns the value of a scalar that an optimizer keeps, such as a counter; else None."""
        kept = kept_tensors(*self._optimizers)
        return next((_KEPT.get(name, 1) for name, scalar in kept if scalar is tensor), None)


@contextmanager
def readable(step: TrainingStep) -> Iterator[None]:
    """A context in which only the optimizers of a step may read values."""
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
