"""A step's memory planned, counted by our tracker and counted by torch's own: one number.

All three are compared to the byte: the plan traces tensors without storage, ours and
`torch.distributed._tools.mem_tracker.MemTracker` watch a real step on the CPU.
"""

from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.distributed._tools.mem_tracker import MemTracker
from torch.nn import functional

from hpml_lab.errors import InputError
from hpml_lab.memory.module_plan import plan_module
from hpml_lab.memory.optimizer_step import Step
from hpml_lab.memory.trace import track
from hpml_lab.training.networks import build_network
from hpml_lab.training.optimizers import OPTIMIZERS, build_optimizer, theory_name
from hpml_lab.training.step import TrainingStep
from support.laws import agree, must_reject

LARGE, MEDIUM, SMALL = 299, 224, 64
CLASSIFIERS = {
    "alexnet": MEDIUM,
    "convnext_tiny": SMALL,
    "densenet121": SMALL,
    "efficientnet_b0": SMALL,
    "googlenet": SMALL,
    "inception_v3": LARGE,
    "maxvit_t": MEDIUM,
    "mnasnet0_5": SMALL,
    "mobilenet_v2": SMALL,
    "mobilenet_v3_small": SMALL,
    "regnet_x_400mf": SMALL,
    "resnext50_32x4d": SMALL,
    "shufflenet_v2_x1_0": SMALL,
    "squeezenet1_0": SMALL,
    "swin_t": MEDIUM,
    "vgg11_bn": SMALL,
    "vit_b_16": MEDIUM,
    "wide_resnet50_2": SMALL,
}

# Every kind of norm, and attention.
IN_BFLOAT16 = ("convnext_tiny", "efficientnet_b0", "mobilenet_v3_small", "swin_t", "vit_b_16")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Steps as small as these are faster on one thread, and need the same memory."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def training_step(model, shape, step, optimizer=None):
    """Returns the step on zeros on the CPU, taken once, so that its state is there."""
    batch = torch.zeros(step.batch_size, *shape), torch.zeros(step.batch_size, dtype=torch.long)
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.01, momentum=step.momentum)
    training = TrainingStep(
        model, optimizer, functional.cross_entropy, batch, precision=step.precision
    )
    training()
    optimizer.zero_grad(set_to_none=True)
    return training


def torch_peak(training):
    """Returns the peak that torch's tracker sees in a step."""
    tracker = MemTracker()
    tracker.track_external(training.model, training.optimizer, *training.batch)
    with tracker:
        training()
    training.optimizer.zero_grad(set_to_none=True)
    return tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]


def torch_activations(training):
    """Returns what torch's tracker sees a forward pass add, with the loss still alive."""
    tracker = MemTracker()
    tracker.track_external(training.model, training.optimizer, *training.batch)
    before = live(tracker)
    inputs, labels = training.batch
    enabled = training.precision == "bfloat16"
    with tracker:
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = functional.cross_entropy(training.model(inputs), labels)
        added = live(tracker) - before
        del loss
    return added


def live(tracker):
    """Returns the bytes that torch's tracker sees alive."""
    return tracker.get_tracker_snapshot()[torch.device("cpu")]["Total"]


def compare(name, model, shape, step, plan=plan_module):
    """Plan, tracker and torch's tracker agree on activations and peak."""
    planned = plan(model, shape, step)
    training = training_step(model, shape, step)
    counted = track(training)
    training.optimizer.zero_grad(set_to_none=True)
    for what, timeline in (("plan", planned), ("tracker", counted)):
        kept = timeline.held_bytes("activations", "forward")
        agree(f"{name}: activations, {what}", kept, torch_activations(training))
        agree(f"{name}: peak, {what}", timeline.peak_bytes, torch_peak(training))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_lab_s_network_is_planned_to_the_byte(dtype):
    """The CIFAR ResNet-18 at an eighth of its width, four images."""
    step = Step(batch_size=4, momentum=0.9, precision=dtype)
    compare(f"resnet18-cifar {dtype}", build_network("resnet18-cifar", width=8), (3, 32, 32), step)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, "float32") for name in CLASSIFIERS), *((name, "bfloat16") for name in IN_BFLOAT16)],
)
def test_classifiers_are_planned_to_the_byte(name, dtype):
    """Every family of torchvision's classifiers, two images, 1000 classes, SGD with momentum."""
    model = build_network(f"torchvision:{name}", classes=1000)
    side = CLASSIFIERS[name]
    compare(
        f"{name} {dtype}", model, (3, side, side), Step(batch_size=2, momentum=0.9, precision=dtype)
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_tracked_to_the_byte(name):
    """Our tracker and torch's see the same peak but for the scalars that only torch's counts."""
    model = build_network("resnet18-cifar", width=2)
    optimizer = build_optimizer(name, model.parameters())
    training = training_step(model, (3, 32, 32), Step(batch_size=2), optimizer)
    scalars = [value for state in optimizer.state.values() for value in state.values()]
    counters = sum(value.nbytes for value in scalars if not value.dim())
    peak = track(training).peak_bytes
    training.optimizer.zero_grad(set_to_none=True)
    agree("peak with any optimizer", peak + counters, torch_peak(training))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_planned_to_the_byte(name):
    """A step that is fullest in the optimizer has the plan's peak, the loss in it."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 60), nn.ReLU(), nn.Linear(60, 7))
    optimizer = build_optimizer(name, model.parameters())
    kind, momentum = theory_name(name)
    step = Step(
        batch_size=2,
        optimizer=kind,
        momentum=momentum,
        nesterov=name == "nesterov",
        weight_decay=5e-4,
        implementation="for-loop",
    )
    counted = track(training_step(model, (3, 4, 4), step, optimizer))
    planned = plan_module(model, (3, 4, 4), step)
    assert planned.peak.phase == counted.peak.phase == "optimizer"
    agree("peak in the optimizer", planned.peak_bytes, counted.peak_bytes)


@dataclass(frozen=True)
class Case:
    """A chain of layers and the step that trains it."""

    layers: tuple
    side: int
    step: Step

    def build(self):
        """Returns the network, which ends in pooling and a linear layer of five classes."""
        chain, channels = [], 3
        for make, width in self.layers:
            layer = make(channels, width)
            chain.append(layer)
            channels = getattr(layer, "out_channels", channels)
        chain += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5)]
        return nn.Sequential(*chain)


class Residual(nn.Module):
    """Adds what comes in to a convolution of it."""

    def __init__(self, channels):
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, images):
        return images + self.convolution(images)


def convolution(kernel, stride, bias):
    """Returns what makes a convolution from its channels."""
    return lambda inputs, outputs: nn.Conv2d(
        inputs, outputs, kernel, stride, padding=kernel // 2, bias=bias
    )


LAYERS = [
    convolution(3, 1, bias=False),
    convolution(3, 2, bias=True),
    convolution(1, 1, bias=False),
    lambda inputs, _: nn.BatchNorm2d(inputs),
    lambda inputs, _: nn.GroupNorm(1, inputs),
    lambda *_: nn.ReLU(),
    lambda *_: nn.ReLU(inplace=True),
    lambda *_: nn.GELU(),
    lambda *_: nn.Hardswish(inplace=True),
    lambda *_: nn.MaxPool2d(2, ceil_mode=True),
    lambda *_: nn.AvgPool2d(3, stride=1, padding=1),
    lambda *_: nn.Dropout(0.3),
    lambda inputs, _: Residual(inputs),
]


@st.composite
def cases(draw):
    """Chains of a convolution and up to seven layers that may or may not work in place."""
    made = st.tuples(st.sampled_from(LAYERS), st.integers(1, 9))
    first = (LAYERS[0], draw(st.integers(1, 9)))
    chain = draw(st.lists(made, max_size=7))
    options = {
        "batch_size": draw(st.integers(2, 4)),
        "momentum": draw(st.sampled_from([0.0, 0.9])),
        "precision": draw(st.sampled_from(["float32", "bfloat16"])),
    }
    return Case(
        (first, *chain), draw(st.integers(6, 12)), Step(implementation="for-loop", **options)
    )


def chain_law(plan, case):
    """Plan and counted step agree in what every category holds at the end, and at the peak."""
    shape = (3, case.side, case.side)
    model = case.build()
    try:
        planned = plan(model, shape, case.step)
    except InputError:  # a layer in place overwrites what another one keeps
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            training_step(model, shape, case.step)
        return
    counted = track(training_step(model, shape, case.step))
    for category, phase in [("activations", "forward"), ("gradients", "backward")]:
        expected = counted.held_bytes(category, phase)
        agree(f"{category} of a chain", planned.held_bytes(category, phase), expected)
    agree("peak of a chain", planned.peak_bytes, counted.peak_bytes)


@pytest.mark.integration
@given(cases())
def test_every_chain_of_layers_is_planned_to_the_byte(case):
    """Norms, activations in place or not, pooling, dropout and residuals, in any order."""
    chain_law(plan_module, case)


def evaluated(model, shape, step):
    """Plans the network as if it were not in training."""
    planned = plan_module(model.eval(), shape, step)
    model.train()
    return planned


def changed(**change):
    """Plans another step than the one asked for."""
    return lambda model, shape, step: plan_module(model, shape, replace(step, **change))


def frozen(model, shape, step):
    """Plans the network with its first layer not trained."""
    model[0].requires_grad_(False)
    planned = plan_module(model, shape, step)
    model[0].requires_grad_(True)
    return planned


WRONG = {
    "evaluation": evaluated,
    "one more image": lambda model, shape, step: plan_module(
        model, shape, replace(step, batch_size=step.batch_size + 1)
    ),
    "float32 always": changed(precision="float32"),
    "gradients kept": changed(keep_gradients=True),
    "momentum forgotten": changed(momentum=0),
    "first layer frozen": frozen,
}


@pytest.mark.parametrize("name", WRONG)
def test_the_chain_law_rejects(name):
    """The plan of another step is another number."""
    must_reject(chain_law, WRONG[name], cases())


@pytest.mark.integration
def test_the_law_sees_what_real_kernels_keep(monkeypatch):
    """Without the correction of what tensors without storage get wrong, the law fails."""
    monkeypatch.setattr(
        "hpml_lab.memory.module_plan.as_allocated", lambda _func, _args, result: result
    )
    must_reject(chain_law, plan_module, cases())
