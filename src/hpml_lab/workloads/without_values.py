"""A workload on tensors without values, where what it computes from numbers alone has some.

Networks compute with tensors what decides their shape: widths of stages, a dropout rate for each
block of ``torch.linspace``, and `nn.Transformer` looks whether a mask is the causal one. Weights
are drawn, and what is drawn decides nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from warnings import catch_warnings, filterwarnings

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.distributions import Distribution
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import init
from torch.overrides import TorchFunctionMode

from hpml_lab.workloads.storageless import refusing

_FROM_NUMBERS = {
    torch.arange,
    torch.eye,
    torch.full,
    torch.linspace,
    torch.logspace,
    torch.ones,
    torch.zeros,
}
_MOST_ELEMENTS = 2**22  # of what keeps its values: the mask of 2,048 words


class KnownMode(FakeTensorMode):
    """A mode in which tensors keep values that are known, not scalars alone.

    Attributes:
        building: whether views keep them too. Their storage is then one of their own, which is
            wrong where storages are counted.
    """

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True)
        self.building = True

    def may_turn_const(self, t: Tensor) -> bool:
        """Returns whether a real tensor becomes one that keeps its values."""
        usual = not self.is_our_fake(t) and t.layout == torch.strided and not t.is_meta
        return usual and t.numel() <= _MOST_ELEMENTS and (self.building or not self._is_view(t))

    def _is_view(self, tensor: Tensor) -> bool:
        known = self.fake_tensor_converter.constant_storage_mapping
        return StorageWeakRef(tensor._typed_storage()) in known


@contextmanager
def without_values(name: str) -> Iterator[KnownMode]:
    """A context in which tensors take no memory, but for those whose values are known.

    Args:
        name: of what is planned, for the message.

    Raises:
        InputError: for what torch refuses there.
    """
    mode = KnownMode()
    with refusing(f"{name} cannot be planned on tensors without values"), catch_warnings():
        # Modules that are copied ask for it; nothing of ours does.
        filterwarnings("ignore", message="Accessing the data pointer of FakeTensor")
        with (
            mode,
            _KnownValues(mode),
            _replaced(FakeTensor, "__deepcopy__", _copied),
            _replaced(torch.utils, "swap_tensors", _converted),
            # They read whether what they are given is possible.
            _replaced(Distribution, "_validate_args", False),
            # It draws again as long as it reads that a value is out of range.
            _replaced(init, "_no_grad_trunc_normal_", lambda tensor, *_, **__: tensor),
        ):
            yield mode


class _KnownValues(TorchFunctionMode):
    """Lets tensors that are made from numbers keep their values, unless they are very large."""

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
    """Lets modules take other types and layouts in place, as in ``model.to(torch.bfloat16)``.

    What is known of the values is converted too.

    PyTorch swaps a tensor without storage for its conversion, and refuses that where anything
    refers to it weakly, as its own bookkeeping of such tensors does.
    """
    parameter.data = conversion.data
    parameter.fake_device = conversion.fake_device
    parameter.constant = conversion.constant


def _copied(tensor: Tensor, memo: dict[int, Any]) -> Tensor:
    """Lets modules be copied, as `nn.TransformerEncoder` copies its layer.

    PyTorch's own copy of a tensor without storage has another storage each time it is asked for.
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
