"""FLOP of the operators that multiply: convolutions, matrix products, recurrent layers.

A multiply-add is two FLOP. Known operators are counted; others that may multiply are named.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, is_traceable_wrapper_subclass_type
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

_ATEN = torch.ops.aten
_OURS = frozenset({"aten", "prim", "prims", "profiler", "c10d", "_c10d_functional", "rngprims"})
# Operators of ATen that multiply matrices, or may, and have no formula in this module.
_MULTIPLIES = re.compile(
    r"^_?(lu_|cholesky|linalg_(?!vector_norm|diagonal|check_errors)|fft_|cdist|pdist|euclidean_dist"
    r"|triangular_solve|ormqr|geqrf|trilinear|matrix_exp|mkldnn_|miopen_|mps_|lstm_mps|cudnn_rnn"
    r"|sparse_\w*(mm|matmul)|cslt_|mixed_dtypes|grouped_mm|scaled_grouped_mm|weight_int|wrapped_|transformer_"
    r"|native_multi_head|triton_|slow_conv|conv_|thnn_conv|nnpack|linear|matmul)"
    r"|convolution|attention|_mm"
)


def flops(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> int | None:
    """Returns the FLOP of one dispatched operator; 0 if it multiplies no matrices.

    Returns:
        None for an operator that multiplies, or may, and cannot be counted.
    """
    packet = getattr(func, "_overloadpacket", func)
    formula = _FORMULAS.get(packet)
    if formula is None:
        return None if _may_multiply(func) else 0
    if any(_is_sparse(leaf) for leaf in tree_leaves((args, kwargs))):
        return None  # a dense formula would count too much
    try:
        return int(formula(args, kwargs, result))
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        return None  # shapes that the formula does not support, such as those of nested tensors


def _may_multiply(func: Any) -> bool:
    space, _, name = str(getattr(func, "_name", func)).rpartition("::")
    return space not in _OURS or bool(_MULTIPLIES.search(name.partition(".")[0]))


def _is_sparse(leaf: object) -> bool:
    return isinstance(leaf, Tensor) and leaf.layout not in {torch.strided, torch.jagged}


def _shaped(formula: Callable[..., int]) -> Callable[..., int]:
    """Adapts one of PyTorch's formulas, which take shapes, to the signature of `_FORMULAS`."""
    return lambda args, kwargs, result: formula(*args, **kwargs, out_val=result)


def _convolution_backward(args: Sequence[Any], _kwargs: Any, _result: Any) -> int:
    # PyTorch's own formula for the weight gradient of a grouped convolution is too large by the
    # number of groups. Both products are as large as the forward one: a weight is used once per
    # pixel.
    output_gradient, inputs, weight, *options = args
    _bias, _stride, _padding, _dilation, transposed, _output_padding, _groups, wanted = options
    pixels = inputs.shape[2:] if transposed else output_gradient.shape[2:]
    products = int(wanted[0]) + int(wanted[1])
    return int(2 * inputs.shape[0] * math.prod(pixels) * weight.numel() * products)


def _recurrent(args: Sequence[Any], _kwargs: Any = None, _result: Any = None) -> int:
    """Returns the FLOP of a recurrent layer: each weight matrix times each step of a sequence."""
    inputs, weights = args[0], args[1] if isinstance(args[1], list | tuple) else args[1:3]
    rows = inputs.numel() // inputs.shape[-1]
    return int(2 * rows * sum(weight.numel() for weight in weights if weight.dim() == 2))


def _recurrent_backward(args: Sequence[Any], _kwargs: Any, _result: Any) -> int:
    """Returns the FLOP of the gradients of inputs, states and, if requested, weights."""
    mask = args[-1] if isinstance(args[-1], list | tuple) else (True,)
    return _recurrent(args) * (1 + bool(mask[-1]))


def _trilinear(args: Sequence[Any], _kwargs: Any, _result: Any) -> int:
    """Returns the FLOP of a trilinear product: one multiply-add per broadcast element."""
    shapes = []
    for tensor, expanded in zip(args[:3], args[3:6], strict=True):
        shape = list(tensor.shape)
        for place in expanded:
            shape.insert(place, 1)
        shapes.append(shape)
    return int(2 * math.prod(torch.broadcast_shapes(*shapes)))


def _matrix_vector(args: Sequence[Any], _kwargs: Any, _result: Any) -> int:
    return 2 * int(args[0].numel())


def _added_matrix_vector(args: Sequence[Any], _kwargs: Any, _result: Any) -> int:
    return 2 * int(args[1].numel())


def _added_products(args: Sequence[Any], _kwargs: Any, _result: Any) -> int:
    return 2 * int(args[1].numel()) * int(args[2].shape[-1])


_FORMULAS: dict[Any, Callable[..., int]] = {
    **{packet: _shaped(formula) for packet, formula in flop_registry.items()},
    _ATEN.convolution_backward: _convolution_backward,
    _ATEN.mkldnn_rnn_layer: _recurrent,
    _ATEN.mkldnn_rnn_layer_backward: _recurrent_backward,
    _ATEN._cudnn_rnn: _recurrent,
    _ATEN._cudnn_rnn_backward: _recurrent_backward,
    _ATEN.miopen_rnn: _recurrent,
    _ATEN.miopen_rnn_backward: _recurrent_backward,
    _ATEN._trilinear: _trilinear,
    _ATEN.mv: _matrix_vector,
    _ATEN.dot: _matrix_vector,
    _ATEN.vdot: _matrix_vector,
    _ATEN.addmv: _added_matrix_vector,
    _ATEN.addbmm: _added_products,
    _ATEN._addmm_activation: _added_products,
}


_IDLE = {
    _ATEN.empty,
    _ATEN.empty_like,
    _ATEN.empty_strided,
    _ATEN.new_empty,
    _ATEN.new_empty_strided,
    _ATEN._unsafe_view,  # a view that is not declared as a view
    torch.ops.prim.device,  # query for the device of a fake tensor
}


class OperatorCounter(TorchDispatchMode):
    """Counts the operators dispatched in a context, without views and empty tensors.

    Attributes:
        operators: Number of operators.
        moved_bytes: Bytes that they read and write, each tensor once per operator, without sparse
            tensors.
        flops: FLOP of convolutions, matrix products and recurrent layers, multiply-add = 2.
        left_out: Names of operators that multiply, or may, and are not in `flops`.
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
            return NotImplemented  # the operators inside the wrapper are dispatched in turn
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
