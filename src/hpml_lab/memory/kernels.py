"""Memory that kernels allocate in addition to their outputs, such as oneDNN's LSTM workspace."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hpml_lab.memory.meta import forward, without_storage

_PAGE_BYTES = 4096
_ELEMENT_BYTES = 4
_LINE = 16  # float32 elements of a cache line
_ALIASED = 256  # rows of a multiple of so many elements are padded


def lstm_workspace_bytes(time: int, batch: int, inputs: int, hidden: int) -> int:
    """Returns the workspace of one direction of one LSTM layer in training, float32, in bytes.

    Not from oneDNN's source: fitted to the result of ``torch.mkldnn_rnn_layer`` (torch 2.15), and
    tested against it for generated shapes. Its page-aligned parts appear to be the gates; one row
    of the output's width per step; and, for two layers and one more step, three sets of rows as
    wide as the wider of input and output, and two as wide as the output.

    Args:
        time: Number of time steps.
        batch: Number of sequences.
        inputs: Width of the layer's input.
        hidden: Width of its output.
    """
    rows = 2 * (time + 1) * batch
    gates = _pages(time * batch * _row(4 * hidden))
    projected = _pages(time * batch * _row(hidden))
    states = _pages(rows * _row(max(inputs, hidden)))
    cells = _pages(rows * hidden)
    return gates + projected + 3 * states + 2 * cells


def _row(elements: int) -> int:
    whole = -(-elements // _LINE) * _LINE
    return whole + (_LINE if whole % _ALIASED == 0 else 0)


def _pages(elements: int) -> int:
    return -(-elements * _ELEMENT_BYTES // _PAGE_BYTES) * _PAGE_BYTES


_ATEN = torch.ops.aten
_SHORT = {torch.bfloat16, torch.float16}
_LSTM = 2  # oneDNN's code for it
_Adjust = Callable[[Any, Sequence[Any]], Any]


def as_allocated(func: Any, args: Sequence[Any], results: Any) -> Any:
    """Returns the results of an operator with storages as large as a kernel allocates them.

    Args:
        func: The operator.
        args: Arguments of the call.
        results: Results without storage.
    """
    adjust = _KERNELS.get(func)
    return results if adjust is None else adjust(results, args)


def _loss(result: Any, args: Sequence[Any]) -> Any:
    """Allocates the result as large as the input; it keeps that storage after the reduction."""
    if result.dim():
        return result
    return torch.empty_like(args[0], dtype=result.dtype).as_strided((), ())


def _norm(results: Any, args: Sequence[Any]) -> Any:
    """Keeps mean and deviation in float32 if any other argument is float32, as real kernels do."""
    others = (arg for arg in args[1:] if isinstance(arg, Tensor))
    if results[0].dtype in _SHORT and any(other.dtype == torch.float32 for other in others):
        return results[0], *(statistic.float() for statistic in results[1:])
    return results


def _group_norm_backward(results: Any, args: Sequence[Any]) -> Any:
    return results[0].to(args[1].dtype), *results[1:]


def _recurrent(results: Any, args: Sequence[Any]) -> Any:
    """Adds the workspace of an LSTM; args are input, weights, biases, state, ..., kind, width."""
    inputs, kind, hidden, train = args[0], args[9], args[10], args[-1]
    if kind != _LSTM or not train or inputs.dtype != torch.float32:
        return results
    time, batch, width = inputs.shape
    size = lstm_workspace_bytes(time, batch, width, hidden)
    return *results[:3], torch.empty(size, dtype=torch.uint8, device=inputs.device)


def _recurrent_backward(results: Any, _args: Sequence[Any]) -> Any:
    """Makes the gradients of both biases, which are equal, separate tensors."""
    return *results[:4], torch.empty_like(results[4]), *results[5:]


def _bag(results: Any, _args: Sequence[Any]) -> Any:
    """Allocates one element more for the bag of each word."""
    bags = results[1]
    if not bags.numel():
        return results
    return results[0], bags.new_empty(bags.numel() + 1)[:-1], *results[2:]


_KERNELS: dict[Any, _Adjust] = {
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


_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def largest_copies_bytes(model: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Returns the largest sum of input, output and weight bytes of a convolution; 0 without one.

    cuDNN's kernels for TF32 and bfloat16 need channels last. Other tensors of a layer are copied
    into the workspace, all three, while the layer runs.

    Args:
        model: Left unchanged.
        input_shape: Shape of a batch.

    Raises:
        InputError: if the network does not accept such a batch.
    """
    sizes = [0]

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sizes.append(inputs[0].nbytes + output.nbytes + module.get_parameter("weight").nbytes)

    twin = without_storage(model)
    for module in twin.modules():
        if isinstance(module, _CONVOLUTIONS):
            module.register_forward_hook(note)
    forward(twin, torch.empty(input_shape, device="meta"))
    return max(sizes)
