"""What a network is made of, counted on a copy without storage."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hpml_lab.workloads.meta import QuickBatchNorm
from hpml_lab.workloads.operators import OperatorCounter
from hpml_lab.workloads.storageless import forward, without_storage

_SAMPLES = 2  # batch norm needs two values a channel; every count below is linear in the batch


@dataclass(frozen=True)
class Layer:
    """One row of the layer table.

    Attributes:
        name: the module's path in the network.
        kind: its class.
        output_shape: shape of its output for one sample.
        parameters: elements in it and below it.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Summary:
    """Exact counts of a network for one input size.

    Attributes:
        layers: every module with parameters in it or below it, blocks included, in the order in
            which they finish; plain containers, the network itself, and what gives no single tensor
            (attention) are left out.
        parameters: elements of all parameters.
        parameter_tensors: how many tensors those are.
        trainable_parameters: elements of those that require a gradient.
        gradients: elements of the gradients that a backward pass left.
        buffers: elements of all buffers.
        parameters_bytes: bytes of all parameters.
        buffers_bytes: bytes of all buffers.
        input_bytes: bytes of one input sample.
        convolutions: how many convolution layers.
        last_linear_inputs: inputs of the last linear layer; 0 if there is none.
        forward_flops_per_sample: convolutions and matrix products, multiply-add = 2.
        flops_per_sample: the same, forward and backward.
    """

    layers: tuple[Layer, ...]
    parameters: int
    parameter_tensors: int
    trainable_parameters: int
    gradients: int
    buffers: int
    parameters_bytes: int
    buffers_bytes: int
    input_bytes: int
    convolutions: int
    last_linear_inputs: int
    forward_flops_per_sample: int
    flops_per_sample: int

    @property
    def table_activation_bytes(self) -> int:
        """Twice the float32 bytes of all rows' outputs for one sample.

        The "forward/backward" size of the common layer tables. It is not what autograd keeps.
        """
        return 2 * 4 * sum(math.prod(layer.output_shape) for layer in self.layers)


def summarise(model: nn.Module, input_shape: tuple[int, ...] = (3, 32, 32)) -> Summary:
    """Counts a network in training mode; the network itself is left as it was.

    Args:
        model: any module that maps one tensor to logits of shape (N, classes).
        input_shape: shape of one sample, without the batch.

    Raises:
        InputError: if the network cannot take such an input.
    """
    twin = without_storage(model, "meta").train()
    inputs = torch.empty(_SAMPLES, *input_shape, device="meta")
    with _recorded_outputs(twin) as outputs, QuickBatchNorm(), OperatorCounter() as counter:
        logits = forward(twin, inputs)
        forward_flops = counter.flops
        targets = torch.zeros(_SAMPLES, dtype=torch.long, device="meta")
        nn.functional.cross_entropy(logits, targets).backward()
    return _count(twin, outputs, inputs, forward_flops, counter.flops)


def _count(
    model: nn.Module, outputs: dict[str, Tensor], inputs: Tensor, forward: int, total: int
) -> Summary:
    parameters = list(model.parameters())
    modules = list(model.modules())
    linears = [module for module in modules if isinstance(module, nn.Linear)]
    return Summary(
        layers=tuple(_layer(model, name, output) for name, output in outputs.items()),
        parameters=_elements(parameters),
        parameter_tensors=len(parameters),
        trainable_parameters=_elements([p for p in parameters if p.requires_grad]),
        gradients=_elements([p.grad for p in parameters if p.grad is not None]),
        buffers=_elements(list(model.buffers())),
        parameters_bytes=_bytes(parameters),
        buffers_bytes=_bytes(list(model.buffers())),
        input_bytes=inputs.nbytes // _SAMPLES,
        convolutions=sum(isinstance(m, torch.nn.modules.conv._ConvNd) for m in modules),
        last_linear_inputs=linears[-1].in_features if linears else 0,
        forward_flops_per_sample=forward // _SAMPLES,
        flops_per_sample=total // _SAMPLES,
    )


@contextmanager
def _recorded_outputs(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    outputs: dict[str, Tensor] = {}

    def record(name: str) -> None:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor):  # attention gives a pair
                outputs[name] = output

        model.get_submodule(name).register_forward_hook(hook)

    for name, module in model.named_modules():
        container = not name or isinstance(module, nn.Sequential | nn.ModuleList)
        if not container and next(module.parameters(), None) is not None:
            record(name)
    yield outputs


def _layer(model: nn.Module, name: str, output: Tensor) -> Layer:
    module = model.get_submodule(name)
    return Layer(
        name, type(module).__name__, tuple(output.shape[1:]), _elements(list(module.parameters()))
    )


def _elements(tensors: list[Tensor] | list[nn.Parameter]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _bytes(tensors: list[Tensor] | list[nn.Parameter]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
