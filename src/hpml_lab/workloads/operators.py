"""What is dispatched while a step runs: how many operators launch work, their FLOP, their bytes."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, is_traceable_wrapper_subclass_type
from torch.utils._pytree import tree_leaves

from hpml_lab.workloads.flops import flops

_ATEN = torch.ops.aten
_IDLE = {
    _ATEN.empty,
    _ATEN.empty_like,
    _ATEN.empty_strided,
    _ATEN.new_empty,
    _ATEN.new_empty_strided,
    _ATEN._unsafe_view,  # a view that is not declared as one
    torch.ops.prim.device,  # fake tensors are asked for their device so
}


class OperatorCounter(TorchDispatchMode):
    """Counts what is dispatched inside, views and empty tensors left out.

    Attributes:
        operators: how many.
        moved_bytes: what they read and write, each tensor once an operator; sparse ones left out.
        flops: of convolutions, matrix products and recurrent layers, multiply-add = 2.
        left_out: names of operators that multiply, or may, and are not in `flops`.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operators = 0
        self.moved_bytes = 0
        self.flops = 0
        self.left_out: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an operator and counts it."""
        if any(is_traceable_wrapper_subclass_type(kind) for kind in types):
            return NotImplemented  # what it makes of it is dispatched in turn
        kwargs = kwargs or {}
        results = func(*args, **kwargs)
        if getattr(func, "is_view", False) or getattr(func, "overloadpacket", func) in _IDLE:
            return results
        self.operators += 1
        self.moved_bytes += _bytes((args, kwargs)) + _bytes(results)
        work = flops(func, args, kwargs, results)
        if work is None:
            self.left_out.add(str(getattr(func, "overloadpacket", func)))
        else:
            self.flops += work
        return results


def _bytes(values: Any) -> int:
    return sum(
        leaf.nbytes
        for leaf in tree_leaves(values)
        if isinstance(leaf, Tensor) and leaf.layout == torch.strided
    )
