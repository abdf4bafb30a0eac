"""Layers, parameters, FLOP and memory traffic of a network, counted on a copy without storage."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from hpml_lab.memory.meta import QuickBatchNorm, forward, without_storage
from hpml_lab.training.flops import OperatorCounter
from hpml_lab.training.refusals import refusing

_SAMPLES = 2  # batch norm needs two values per channel; all counts are linear in the batch


@dataclass(frozen=True)
class Layer:
    """One row of the layer table.

    Attributes:
        name: Path of the module in the network.
        kind: Class of the module.
        output_shape: Shape of its output for one sample.
        parameters: Elements of its parameters, submodules included.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Summary:
    """Exact counts of a network for one input size.

    Attributes:
        layers: Modules with parameters, blocks included, in the order in which they finish; plain
            containers, the network itself, and modules that do not return a single tensor
            (attention) are left out.
        parameters: Elements of all parameters.
        parameter_tensors: Number of parameter tensors.
        trainable_parameters: Elements of the parameters that require a gradient.
        gradients: Elements of the gradients after a backward pass.
        buffers: Elements of all buffers.
        parameters_bytes: Bytes of all parameters.
        buffers_bytes: Bytes of all buffers.
        input_bytes: Bytes of one input sample.
        convolutions: Number of convolution layers.
        last_linear_inputs: Inputs of the last linear layer; 0 without one.
        forward_flops_per_sample: FLOP of convolutions and matrix products, multiply-add = 2.
        flops_per_sample: The same, forward and backward.
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

        The "forward/backward" size of common layer tables. Autograd keeps other bytes.
        """
        return 2 * 4 * sum(math.prod(layer.output_shape) for layer in self.layers)


def summarise(model: nn.Module, input_shape: tuple[int, ...] = (3, 32, 32)) -> Summary:
    """Counts a network in training mode; the network itself is left unchanged.

    Args:
        model: Any module that maps one tensor to logits of shape (N, classes).
        input_shape: Shape of one sample, without the batch.

    Raises:
        InputError: if the network does not accept such an input.
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
            if isinstance(output, Tensor):  # attention returns a pair
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


Loss = Callable[[Tensor, Tensor], Tensor]
_BATCHES = (2, 4)  # batch norm needs two values per channel


@dataclass(frozen=True)
class Traffic:
    """Operators and memory traffic of forward, loss and backward; affine in the batch.

    Attributes:
        operators: Number of operators that launch work, for any batch.
        per_sample_bytes: Bytes read and written per sample.
        per_step_bytes: Bytes read and written once per step: weights and their gradients.
    """

    operators: int
    per_sample_bytes: int
    per_step_bytes: int


def traffic(
    model: nn.Module,
    input_shape: tuple[int, ...],
    precision: str = "float32",
    loss: Loss = functional.cross_entropy,
) -> Traffic:
    """Returns the traffic of a network in training mode; the network is left unchanged.

    Args:
        model: Any module that maps one tensor, of its parameters' dtype, to logits (N, classes).
        input_shape: Shape of one sample, without the batch.
        precision: ``float32``, or ``bfloat16`` for autocast, whose casts are counted too.
        loss: Maps logits and integer labels of shape (N,) to a scalar.

    Raises:
        InputError: if the network does not accept such an input, or the loss its logits.
    """
    few, many = (_dispatched(model, (batch, *input_shape), precision, loss) for batch in _BATCHES)
    per_sample = (many.moved_bytes - few.moved_bytes) // (_BATCHES[1] - _BATCHES[0])
    return Traffic(few.operators, per_sample, few.moved_bytes - _BATCHES[0] * per_sample)


def _dispatched(
    model: nn.Module, shape: tuple[int, ...], precision: str, loss: Loss
) -> OperatorCounter:
    low = precision == "bfloat16"
    # Autocast does nothing on meta tensors; fake ones are slower, but have a device.
    device, mode = ("cpu", FakeTensorMode()) if low else ("meta", nullcontext())
    counter = OperatorCounter()
    with mode:
        twin = without_storage(model, device).train()
        dtype = next((p.dtype for p in twin.parameters()), torch.float32)
        inputs = torch.empty(shape, device=device, dtype=dtype)
        labels = torch.zeros(shape[0], dtype=torch.long, device=device)
        with counter:
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                logits = forward(twin, inputs)
                with refusing("the loss cannot be computed from the network's logits"):
                    value = loss(logits, labels)
            value.backward()
    return counter
