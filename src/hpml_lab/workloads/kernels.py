"""What the CPU's kernels allocate where tensors without storage show something else."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from hpml_lab.theory.lstm import lstm_workspace_bytes

_ATEN = torch.ops.aten
_SHORT = {torch.bfloat16, torch.float16}
_LSTM = 2  # oneDNN's number of it
_Mend = Callable[[Any, Sequence[Any]], Any]


def as_allocated(func: Any, args: Sequence[Any], results: Any) -> Any:
    """Returns the results of an operator on storages as large as a kernel makes them.

    Args:
        func: the operator.
        args: of the call.
        results: without storage.
    """
    mend = _KERNELS.get(func)
    return results if mend is None else mend(results, args)


def _loss(result: Any, args: Sequence[Any]) -> Any:
    """The result is made as large as the input, and keeps that storage when it is reduced."""
    if result.dim():
        return result
    return torch.empty_like(args[0], dtype=result.dtype).as_strided((), ())


def _norm(results: Any, args: Sequence[Any]) -> Any:
    """Real kernels keep mean and deviation in float32 if anything else is so."""
    others = (arg for arg in args[1:] if isinstance(arg, Tensor))
    if results[0].dtype in _SHORT and any(other.dtype == torch.float32 for other in others):
        return results[0], *(statistic.float() for statistic in results[1:])
    return results


def _group_norm_backward(results: Any, args: Sequence[Any]) -> Any:
    return results[0].to(args[1].dtype), *results[1:]


def _recurrent(results: Any, args: Sequence[Any]) -> Any:
    """An LSTM keeps a workspace; args are input, weights and biases, state, ..., kind, width."""
    inputs, kind, hidden, train = args[0], args[9], args[10], args[-1]
    if kind != _LSTM or not train or inputs.dtype != torch.float32:
        return results
    time, batch, width = inputs.shape
    size = lstm_workspace_bytes(time, batch, width, hidden)
    return *results[:3], torch.empty(size, dtype=torch.uint8, device=inputs.device)


def _recurrent_backward(results: Any, _args: Sequence[Any]) -> Any:
    """The gradients of both biases are equal, and a tensor each."""
    return *results[:4], torch.empty_like(results[4]), *results[5:]


def _bag(results: Any, _args: Sequence[Any]) -> Any:
    """Which bag each word is in is counted in one element more."""
    bags = results[1]
    if not bags.numel():
        return results
    return results[0], bags.new_empty(bags.numel() + 1)[:-1], *results[2:]


_KERNELS: dict[Any, _Mend] = {
    _ATEN.binary_cross_entropy.default: _loss,
    _ATEN.mse_loss.default: _loss,
    _ATEN.smooth_l1_loss.default: _loss,
    _ATEN.soft_margin_loss.default: _loss,
    _ATEN.native_batch_norm.default: _norm,
    _ATEN.native_group_norm.default: _norm,
    _ATEN.native_layer_norm.default: _norm,
    _ATEN.native_group_norm_backward.default: _group_norm_backward,
    _ATEN.mkldnn_rnn_layer.default: _recurrent,
    _ATEN.mkldnn_rnn_layer_backward.default: _recurrent_backward,
    _ATEN._embedding_bag.default: _bag,
}
