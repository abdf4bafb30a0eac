"""Parameters and FLOP of layers: against torch's modules, its counter, and counted arithmetic."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hpml_lab.errors import InputError
from hpml_lab.memory.accounting import Cost, batch_norm, convolution, linear, pooling
from hpml_lab.memory.resnet import ResNet
from hpml_lab.training.networks import build_network
from support import strategies
from support.laws import agree, fewer, must_reject


def counted(model, shape, first):
    """Returns torch's FLOP forward and backward for one image, on the meta device."""
    x = torch.empty((1, *shape), device="meta", requires_grad=not first)
    with FlopCounterMode(display=False) as forward:
        output = model(x)
    with FlopCounterMode(display=False) as backward:
        output.sum().backward()
    return forward.get_total_flops(), backward.get_total_flops()


@dataclass(frozen=True)
class Convolution:
    """The arguments of a convolution."""

    inputs: int
    outputs: int
    kernel: tuple[int, int]
    image: tuple[int, int]
    options: dict[str, Any]
    first: bool

    def module(self):
        """Returns torch's layer without memory."""
        return nn.Conv2d(self.inputs, self.outputs, self.kernel, **self.options, device="meta")

    def one_group(self):
        """Returns torch's FLOP of one group as a layer of its own.

        For the whole layer torch counts the gradient of the weights as if each group met all
        channels, so only a layer without groups is an oracle.
        """
        groups = self.options["groups"]
        alone = replace(
            self,
            inputs=self.inputs // groups,
            outputs=self.outputs // groups,
            options=self.options | {"groups": 1},
        )
        return counted(alone.module(), (alone.inputs, *alone.image), self.first)

    def evaluate(self, convolution):
        """Returns what a closed form says about the layer."""
        size = (self.inputs, self.outputs, self.kernel, self.image)
        return convolution(*size, **self.options, first=self.first)


@st.composite
def convolutions(draw):
    """Convolutions with stride, padding, groups and bias."""
    groups = draw(st.integers(1, 3))
    inputs, outputs = (groups * factor for factor in draw(strategies.pairs(1, 4)))
    kernel, padding = draw(strategies.pairs(1, 5)), draw(strategies.pairs(0, 2))
    image = tuple(
        draw(st.integers(max(1, k - 2 * p), 12)) for k, p in zip(kernel, padding, strict=True)
    )
    options = {
        "stride": draw(strategies.pairs(1, 3)),
        "padding": padding,
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    return Convolution(inputs, outputs, kernel, image, options, draw(st.booleans()))


def convolution_law(convolution, case):
    """Parameters, tensors and FLOP are those of torch."""
    cost, module = case.evaluate(convolution), case.module()
    parameters = list(module.parameters())
    forward, backward = (case.options["groups"] * flops for flops in case.one_group())
    oracle = [sum(p.numel() for p in parameters), len(parameters), forward, backward]
    got = [cost.parameters, cost.tensors, cost.forward_flops, cost.backward_flops]
    agree("convolution cost", np.array(got) / np.array(oracle), np.ones(4))


@given(convolutions())
def test_a_convolution_costs_what_torch_counts(case):
    """Parameters and FLOP with stride, padding, groups, bias, and as a first layer."""
    convolution_law(convolution, case)


@given(st.integers(1, 50), st.integers(1, 50), st.booleans(), st.booleans())
def test_a_linear_layer_costs_what_torch_counts(inputs, outputs, bias, first):
    """Parameters and FLOP of a linear layer; a bias adds parameters and no FLOP."""
    module = nn.Linear(inputs, outputs, bias, device="meta")
    cost = linear(inputs, outputs, bias=bias, first=first)
    assert (cost.forward_flops, cost.backward_flops) == counted(module, (inputs,), first)
    assert cost.parameters == sum(p.numel() for p in module.parameters())
    assert cost.tensors == len(list(module.parameters()))


class Number(float):
    """A number that counts the arithmetic done with it."""

    operations = 0

    def _counted(self, result):
        Number.operations += 1
        return Number(result)

    def __add__(self, other):
        return self._counted(float(self) + float(other))

    def __sub__(self, other):
        return self._counted(float(self) - float(other))

    def __mul__(self, other):
        return self._counted(float(self) * float(other))

    def __truediv__(self, other):
        return self._counted(float(self) / float(other))


def operations(work):
    """Returns how many operations on `Number` a call does."""
    Number.operations = 0
    work()
    return Number.operations


def normalise(values, normalised, scale=1.5, shift=0.5):
    """Batch norm of one channel as in algorithm 1; per-channel arithmetic is not counted."""
    total = Number(0)
    for x in values:
        total += x
    mean, squares, centred = float(total) / len(values), Number(0), []
    for x in values:
        centred.append(x - mean)
        squares += centred[-1] * centred[-1]
    inverse = 1 / (float(squares) / len(values) + 1e-5) ** 0.5
    normalised.extend(c * inverse for c in centred)
    return [n * scale + shift for n in normalised], inverse


def normalise_backward(gradients, normalised, inverse, scale=1.5):
    """The gradients of scale, shift and input of one channel."""
    d_scale, d_shift = Number(0), Number(0)
    for g, n in zip(gradients, normalised, strict=True):
        d_scale += g * n
        d_shift += g
    mean_scale, mean_shift = float(d_scale) / len(gradients), float(d_shift) / len(gradients)
    both = zip(gradients, normalised, strict=True)
    return [((g - mean_shift) - n * mean_scale) * (scale * inverse) for g, n in both]


@given(st.lists(st.integers(-8, 8), min_size=2, max_size=12), st.integers(1, 4))
def test_batch_norm_costs_what_its_algorithm_does(values, channels):
    """The arithmetic per element of algorithm 1 and of its gradient, counted as it is done."""
    numbers, normalised, kept = [Number(v) for v in values], [], {}

    def forward():
        kept["out"], kept["inverse"] = normalise(numbers, normalised)

    cost = batch_norm(channels, (1, len(values)))
    assert cost.elementwise_forward_flops == channels * operations(forward)
    gradients = [Number(v + 1) for v in values]
    backward = operations(lambda: normalise_backward(gradients, normalised, kept["inverse"]))
    assert cost.elementwise_backward_flops == channels * backward


@given(st.lists(st.integers(-8, 8), min_size=2, max_size=12, unique=True))
def test_the_counted_algorithm_is_batch_norm(values):
    """The oracle itself: what is counted computes torch's batch norm and its gradient."""
    x = torch.tensor(values, dtype=torch.float64).reshape(-1, 1).requires_grad_()
    scale, shift = (
        torch.tensor([1.5], dtype=torch.float64),
        torch.tensor([0.5], dtype=torch.float64),
    )
    torch.nn.functional.batch_norm(x, None, None, scale, shift, training=True).backward(x.detach())
    normalised = []
    _, inverse = normalise([Number(v) for v in values], normalised)
    got = normalise_backward([Number(v) for v in values], normalised, inverse)
    agree("counted batch norm", got, x.grad.flatten(), float(np.abs(values).max()))


@given(st.integers(1, 200), strategies.pairs(1, 20))
def test_batch_norm_has_torch_s_parameters(channels, image):
    """Scale and shift; running mean, running variance and one counter as buffers; no FLOP."""
    module, cost = nn.BatchNorm2d(channels, device="meta"), batch_norm(channels, image)
    assert cost.parameters == sum(p.numel() for p in module.parameters()) == cost.gradients
    assert cost.buffers == sum(b.numel() for b in module.buffers())
    assert (cost.tensors, cost.flops) == (2, 0)


def pool_operations(kind, x, kernel, stride):
    """Returns the operations of pooling one channel, forward and backward, done one by one."""
    rows = (x.shape[0] - kernel[0]) // stride[0] + 1
    columns = (x.shape[1] - kernel[1]) // stride[1] + 1
    cuts = [
        (
            slice(stride[0] * i, stride[0] * i + kernel[0]),
            slice(stride[1] * j, stride[1] * j + kernel[1]),
        )
        for i in range(rows)
        for j in range(columns)
    ]
    area = kernel[0] * kernel[1]

    def forward():
        for cut in cuts:
            result, *rest = x[cut].ravel()
            for value in rest:
                # A comparison is done as a subtraction.
                step = result + value if kind == "average" else result - value
                result = step if kind == "average" or step > 0 else value
            if kind == "average":
                result / area

    def backward():
        dx = np.array([[Number(0)] * x.shape[1] for _ in range(x.shape[0])], object)
        for cut in cuts:
            if kind == "average":
                share = Number(1) / area
                dx[cut] = [[cell + share for cell in row] for row in dx[cut]]
            else:
                dx[cut][0, 0] + Number(1)

    return operations(forward), operations(backward)


@given(strategies.poolings(), st.sampled_from(["max", "average"]), st.integers(1, 4))
def test_pooling_costs_what_it_does(case, kind, channels):
    """The arithmetic of max and average pooling, counted as it is done; no parameters."""
    x = np.array([[Number(0)] * case.x.shape[-1] for _ in range(case.x.shape[-2])], object)
    cost = pooling(kind, channels, case.kernel, case.x.shape[-2:], stride=case.stride)
    forward, backward = pool_operations(kind, x, case.kernel, case.stride)
    assert cost.elementwise_forward_flops == channels * forward
    assert cost.elementwise_backward_flops == channels * backward
    assert (cost.parameters, cost.flops) == (0, 0)


def convolution_with(change=lambda kw: kw, after=lambda cost, args: cost):
    """A convolution with other options, or another cost, for the wrong variants."""

    def cost(*size, **keywords):
        return after(convolution(*size, **change(keywords)), size)

    return cost


def scaled(cost, forward=1, backward=1, parameters=1):
    """The cost with its numbers multiplied, for the wrong variants."""
    return Cost(
        int(cost.parameters * parameters),
        cost.tensors,
        cost.buffers,
        int(cost.forward_flops * forward),
        int(cost.backward_flops * backward),
    )


WRONG_CONVOLUTIONS = {
    "multiply-add counted once": convolution_with(after=lambda c, a: scaled(c, 0.5, 0.5)),
    "backward like forward": convolution_with(lambda kw: kw | {"first": True}),
    "first layer like the others": convolution_with(lambda kw: kw | {"first": False}),
    "bias forgotten": convolution_with(lambda kw: kw | {"bias": False}),
    "stride ignored": convolution_with(lambda kw: kw | {"stride": 1}),
    "padding half forgotten": convolution_with(
        lambda kw: kw | {"padding": tuple((p + 1) // 2 for p in kw["padding"])}
    ),
    "groups ignored": convolution_with(lambda kw: kw | {"groups": 1}),
}


@pytest.mark.parametrize("name", WRONG_CONVOLUTIONS)
def test_the_convolution_law_rejects(name):
    """A planted mistake in a convolution's cost differs from torch's count."""
    cases = convolutions()
    if name == "padding half forgotten":
        cases = cases.filter(
            lambda case: all(k <= n for k, n in zip(case.kernel, case.image, strict=True))
        )
    must_reject(convolution_law, WRONG_CONVOLUTIONS[name], cases)


@pytest.mark.integration
@fewer
@given(st.integers(1, 12), st.integers(1, 20), st.integers(25, 56), st.booleans())
def test_a_narrow_cifar_resnet_costs_what_torch_counts(width, classes, image, norm):
    """The sum over layers equals the network's own parameters, buffers and FLOP."""
    with torch.device("meta"):
        model = build_network("resnet18-cifar", width=width, classes=classes, batch_norm=norm)
    cost = ResNet(width=width, classes=classes, norm=norm).cost(image)
    assert cost.parameters == sum(p.numel() for p in model.parameters())
    assert cost.tensors == len(list(model.parameters()))
    assert cost.buffers == sum(b.numel() for b in model.buffers())
    got = (cost.forward_flops, cost.backward_flops)
    assert got == counted(model, (3, image, image), first=True)


def test_the_lab_s_resnet18():
    """11,173,962 parameters and gradients in 62 tensors, 9,620 buffers, and the lab's FLOP."""
    cost = ResNet().cost(32)
    assert (cost.parameters, cost.gradients, cost.tensors) == (11_173_962, 11_173_962, 62)
    assert cost.buffers == 9_620
    assert cost.forward_flops == 1_110_845_440
    assert cost.flops == 3_328_997_376


def test_the_lab_s_resnet18_without_batch_norm():
    """11,164,362 parameters in 22 tensors, no buffer, the same FLOP."""
    cost = ResNet(norm=False).cost(32)
    assert (cost.parameters, cost.tensors, cost.buffers) == (11_164_362, 22, 0)
    assert cost.flops == 3_328_997_376


def test_the_stem_of_the_lab():
    """1,728 weights and 1,769,472 multiply-adds; twice as many FLOP, and no input gradient."""
    stem = convolution(3, 64, 3, 32, padding=1, first=True)
    assert (stem.parameters, stem.forward_flops) == (1_728, 2 * 1_769_472)
    assert stem.backward_flops == stem.forward_flops


def test_costs_add_up():
    """A sum of costs is the sum of each of its numbers; 5,130 parameters in the lab's head."""
    head = linear(512, 10)
    total = head + batch_norm(4, 2)
    assert head.parameters == 5_130
    assert (total.parameters, total.tensors, total.buffers) == (5_138, 4, 9)
    assert total.elementwise_forward_flops == 7 * 16


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: convolution(0, 1, 3, 8), "inputs is 0; it must be a whole number, 1 or more"),
        (lambda: convolution(1, -1, 3, 8), "outputs is -1; it must be a whole number, 1 or more"),
        (lambda: convolution(1, 1, 9, 8), "kernel is 9; it must be at most 8, the image with pad"),
        (lambda: convolution(1, 1, 3, 8, stride=0), "stride is 0; it must be a whole number, 1"),
        (lambda: convolution(1, 1, 3, 8, padding=-1), "padding is -1; it must be a whole number"),
        (lambda: convolution(4, 6, 3, 8, groups=4), "groups is 4; it must divide 4 and 6 channels"),
        (lambda: convolution(4, 6, 3, 8, groups=3), "groups is 3; it must divide 4 and 6 channels"),
        (lambda: convolution(4, 6, 3, 8, groups=0), "groups is 0; it must be a whole number, 1"),
        (lambda: linear(1.5, 1), r"inputs is 1\.5; it must be a whole number, 1 or more"),
        (lambda: batch_norm(0, 8), "channels is 0; it must be a whole number, 1 or more"),
        (lambda: batch_norm(1, (8, float("nan"))), "image is nan; it must be a whole number, 1 or"),
        (lambda: pooling("median", 1, 2, 8), "unknown pooling 'median'; choose one of: max, aver"),
        (lambda: pooling("max", 1, 9, 8), "kernel is 9; it must be at most 8"),
        (lambda: ResNet().cost(24), "image is 24; it must be from 25 to 56 pixels"),
        (lambda: ResNet(width=0), "width is 0; it must be a whole number, 1 or more"),
        (lambda: ResNet(classes=-2), "classes is -2; it must be a whole number, 1 or more"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    """Sizes that are none, kernels larger than the image and unknown kinds are refused."""
    with pytest.raises(InputError, match=message):
        call()
