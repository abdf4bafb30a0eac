"""A workload built on tensors without values, where what it computes from numbers has some.

Networks compute their own shape with tensors: widths of stages, a dropout rate for each block of
``torch.linspace``. Weights are drawn, and what is drawn decides nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from warnings import catch_warnings, filterwarnings

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.nn import init
from torch.overrides import TorchFunctionMode

from hpml_lab.workloads.storageless import refusing

_FROM_NUMBERS = {torch.arange, torch.linspace, torch.logspace, torch.range}
_MOST_ELEMENTS = 4096  # of what keeps its values: a list of layers has fewer, an image more


class _Mode(FakeTensorMode):
    """A mode in which small tensors keep values, not scalars alone."""

    def may_turn_const(self, t: Tensor) -> bool:
        """Returns whether a real tensor becomes one that keeps its values."""
        usual = not self.is_our_fake(t) and t.layout == torch.strided and not t.is_meta
        return usual and t.numel() <= _MOST_ELEMENTS


@contextmanager
def without_values(name: str) -> Iterator[FakeTensorMode]:
    """A context in which tensors have no values and take no memory.

    Args:
        name: of what is planned, for the message.

    Raises:
        InputError: for what torch refuses there.
    """
    mode = _Mode(allow_non_fake_inputs=True)
    with refusing(f"{name} cannot be planned on tensors without values"), catch_warnings():
        # Modules that are copied ask for it; nothing of ours does.
        filterwarnings("ignore", message="Accessing the data pointer of FakeTensor")
        with mode, _replaced(torch.utils, "swap_tensors", _converted):
            yield mode


@contextmanager
def computing(mode: FakeTensorMode) -> Iterator[None]:
    """A context within `without_values` in which a workload is built."""
    # It draws again as long as it reads that a value is out of range.
    with (
        _KnownValues(mode),
        _replaced(init, "_no_grad_trunc_normal_", lambda tensor, *_, **__: tensor),
    ):
        yield


class _KnownValues(TorchFunctionMode):
    """Lets small tensors that are made from numbers keep their values."""

    def __init__(self, mode: FakeTensorMode) -> None:
        super().__init__()
        self._mode = mode

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Calls a function of torch."""
        result = func(*args, **(kwargs or {}))
        if func not in _FROM_NUMBERS or any(isinstance(arg, Tensor) for arg in args):
            return result
        if result.numel() > _MOST_ELEMENTS or not result.is_cpu:
            return result
        with unset_fake_temporarily():
            known = func(*args, **(kwargs or {}))
        return self._mode.fake_tensor_converter.from_real_tensor(
            self._mode, known, make_constant=True
        )


def _converted(parameter: Any, conversion: Any) -> None:
    """Lets modules take other types and layouts in place, as in ``model.to(torch.bfloat16)``.

    PyTorch swaps a tensor without storage for its conversion, and refuses that where anything
    refers to it weakly, as its own bookkeeping of such tensors does.
    """
    parameter.data = conversion.data
    parameter.fake_device = conversion.fake_device


@contextmanager
def _replaced(module: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, function)
    try:
        yield
    finally:
        setattr(module, name, before)
