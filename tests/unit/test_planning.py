"""The plan of a step, against the same step taken on the CPU and counted."""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from hpml_lab.errors import InputError
from hpml_lab.memory.largest_batch import largest_batch
from hpml_lab.memory.meta import EmptyWeights
from hpml_lab.memory.module_plan import plan_module
from hpml_lab.memory.optimizer_step import Step
from hpml_lab.memory.timeline import CATEGORIES
from hpml_lab.memory.trace import AllocationTracker
from hpml_lab.training.networks import build_network

OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
PHASES = ("before", "forward", "backward")
IMAGE = (3, 16, 16)
Loop = partial(Step, batch_size=4, implementation="for-loop")


def convolutional(inplace=True, dropout=0.0):
    """Returns two convolutions with batch norm; the second one is block 4."""
    block = nn.Sequential(nn.Conv2d(8, 16, 3, 2), nn.BatchNorm2d(16), nn.ReLU(inplace))
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace),
        nn.MaxPool2d(2),
        block,
        nn.Dropout(dropout),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 5),
    )


class Tied(nn.Module):
    """A linear layer used twice."""

    def __init__(self):
        super().__init__()
        self.first = self.second = nn.Linear(12, 12)
        self.last = nn.Linear(12, 3)

    def forward(self, images):
        hidden = functional.relu(self.first(images.flatten(1)))
        return self.last(self.second(hidden))


class Attention(nn.Module):
    """One layer of attention over the rows of an image."""

    def __init__(self):
        super().__init__()
        self.heads = nn.MultiheadAttention(16, 2, batch_first=True)
        self.last = nn.Linear(16, 3)

    def forward(self, images):
        rows = images[:, 0]
        return self.last(self.heads(rows, rows, rows, need_weights=False)[0][:, 0])


class Choosy(nn.Module):
    """Its path depends on the values that come in."""

    def forward(self, images):
        return images if images.sum() > 0 else -images


def taken(model, shape, step, blocks=(), order=torch.contiguous_format):
    """Returns the timeline of a second step on the CPU."""
    model = copy.deepcopy(model).to(memory_format=order)
    for name in blocks:
        block = model.get_submodule(name)
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    inputs = torch.zeros(step.batch_size, *shape).to(memory_format=order)
    labels = torch.zeros(step.batch_size, dtype=torch.long)
    optimizer = OPTIMIZERS[step.optimizer](
        model.parameters(),
        weight_decay=step.weight_decay,
        foreach=step.implementation == "foreach",
        **({"momentum": step.momentum} if step.momentum else {}),
    )

    def take():
        loss = None
        for _ in range(step.accumulate):
            loss = None
            with torch.autocast("cpu", torch.bfloat16, enabled=step.precision == "bfloat16"):
                loss = functional.cross_entropy(model(inputs), labels)
            loss.backward()
        optimizer.step()
        return loss

    take()
    optimizer.zero_grad(set_to_none=not step.keep_gradients)
    tracker = AllocationTracker(model, "cpu", [optimizer])
    tracker.hold([inputs, labels], "input")
    with tracker:
        kept = take()
    del kept
    return tracker.recorder.timeline()


def held(timeline):
    """Returns the bytes of each category at the end of each phase."""
    return {(c, p): timeline.held_bytes(c, p) for c in CATEGORIES for p in PHASES}


def passes(timeline):
    """Returns every allocation and release of the forward and backward passes."""
    return [
        (event.phase, event.layer, event.change_bytes, timeline.categories[event.block])
        for event in timeline.events
        if event.phase in {"forward", "backward"}
    ]


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 30), nn.ReLU(), nn.Linear(30, 7)), (3, 4, 4)),
        (convolutional(inplace=True), IMAGE),
        (convolutional(inplace=False), IMAGE),
        (convolutional(dropout=0.5), IMAGE),
        (Tied(), (3, 2, 2)),
        (Attention(), (1, 9, 16)),
    ],
    ids=["mlp", "in place", "out of place", "dropout", "shared weights", "attention"],
)
def test_every_event_is_planned(model, shape):
    """Plan and step have the same allocations and releases, in order, in the same layers."""
    step = Loop(momentum=0.9)
    planned, real = plan_module(model, shape, step), taken(model, shape, step)
    assert passes(planned) == passes(real)
    assert (held(planned), planned.peak) == (held(real), real.peak)


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "bfloat16"},
        {"keep_gradients": True},
        {"accumulate": 3},
        {"accumulate": 2, "keep_gradients": True, "precision": "bfloat16"},
        {"optimizer": "adam", "weight_decay": 0.1},
        {"optimizer": "adam", "implementation": "foreach"},
        {"batch_size": 1},
    ],
    ids=str,
)
def test_every_kind_of_step_is_planned(options):
    """Peak and what each phase leaves are exact for all options of a step."""
    step = Loop(**options)
    planned, real = plan_module(convolutional(), IMAGE, step), taken(convolutional(), IMAGE, step)
    assert held(planned) == held(real)
    assert (planned.peak_bytes, planned.peak.phase) == (real.peak_bytes, real.peak.phase)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("blocks", [["4"], ["0", "4"], ["4.0"]])
def test_recomputed_blocks_are_planned(blocks, dtype):
    """Checkpointed blocks keep less and peak as the real ones do."""
    step = Loop(precision=dtype)
    planned = plan_module(convolutional(), IMAGE, step, checkpoint=blocks)
    real = taken(convolutional(), IMAGE, step, blocks)
    assert (held(planned), planned.peak_bytes) == (held(real), real.peak_bytes)


def test_recomputing_keeps_less():
    """Of the second block only its input is kept: 2 x 2,304 bytes and 2 x 64 less."""
    plain, less = (
        plan_module(convolutional(), IMAGE, Loop(), checkpoint=blocks) for blocks in ((), ("4",))
    )
    kept = [timeline.held_bytes("activations", "forward") for timeline in (plain, less)]
    # The block's output stays, as the input of the layer behind it where that keeps its input.
    assert kept[0] - kept[1] == 2_304 + 2 * 64 + 2_304


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_channels_last_is_planned(dtype):
    """Weights and images channel by channel give the events of a real step."""
    step = Loop(precision=dtype)
    planned = plan_module(convolutional(), IMAGE, step, channels_last=True)
    real = taken(convolutional(), IMAGE, step, order=torch.channels_last)
    assert (held(planned), planned.peak_bytes) == (held(real), real.peak_bytes)


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm2d(8),
        nn.BatchNorm2d(8, affine=False),
        nn.GroupNorm(2, 8),
        nn.LayerNorm([16, 16]),
        nn.LayerNorm([16, 16], elementwise_affine=False),
    ],
    ids=str,
)
def test_statistics_of_norms_keep_their_precision(norm):
    """In bfloat16 a norm keeps float32 statistics if it has float32 weights."""
    model = nn.Sequential(nn.Conv2d(3, 8, 1), norm, nn.Flatten(), nn.Linear(8 * 256, 5))
    step = Loop(precision="bfloat16")
    planned, real = plan_module(model, IMAGE, step), taken(model, IMAGE, step)
    assert (held(planned), planned.peak_bytes) == (held(real), real.peak_bytes)


def test_frozen_layers_need_no_gradient_and_no_state():
    """Only the last layer is trained: 340 bytes of gradients and of momentum."""
    model = convolutional().requires_grad_(False)
    model[-1].requires_grad_(True)
    planned = plan_module(model, IMAGE, Loop(momentum=0.9))
    assert planned.held_bytes("gradients", "backward") == 4 * (16 * 5 + 5)
    assert planned.held_bytes("optimizer_state", "before") == 4 * (16 * 5 + 5)


def test_a_plan_leaves_the_model_alone():
    """Values, gradients, hooks, forwards, mode and the random state stay as they were."""
    model = convolutional(dropout=0.5)
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    plan_module(model, IMAGE, Loop(precision="bfloat16"), checkpoint=["4"], channels_last=True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(m._forward_hooks or "forward" in vars(m) for m in model.modules())
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("name", ["resnet18", "torchvision:googlenet", "torchvision:regnet_y_8gf"])
def test_networks_are_planned_without_their_weights(name):
    """A network built without memory has the plan of a real one: 64 px, two images."""
    with EmptyWeights():
        model = build_network(name)
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert plan_module(model, (3, 64, 64), Loop()).peak.phase == "backward"


@pytest.mark.parametrize(
    ("model", "shape", "options", "message"),
    [
        (convolutional(), (1, 16, 16), {}, "the network cannot take an input of 1x16x16: "),
        (convolutional(), (3, 2, 2), {}, "the network cannot take an input of 3x2x2: "),
        (
            convolutional(),
            (3, 6, 6),
            {"batch_size": 1},
            "3x6x6: Expected more than 1 value per channel",
        ),
        (nn.Sequential(nn.Flatten(), nn.Linear(5, 2)), IMAGE, {}, "cannot take an input of 3x16x1"),
        (nn.Sequential(convolutional(), Choosy()), IMAGE, {}, "cannot take an input of 3x16x16: "),
        (nn.LSTM(16, 4), (3, 16), {}, "gives tuple instead of one tensor of logits"),
        (nn.Conv2d(3, 5, 1), IMAGE, {}, "the loss cannot be computed from the network's logits: "),
        (nn.Flatten(), IMAGE, {}, "the network has no float32 parameters to train"),
        (convolutional().double(), IMAGE, {}, "the network has no float32 parameters to train"),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_cannot_be_planned_is_one_error(model, shape, options, message, dtype):
    """Too small, data-dependent, several outputs, other losses, nothing to train."""
    with pytest.raises(InputError, match=message) as caught:
        plan_module(model, shape, Loop(precision=dtype, **options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("stem", r"unknown block 'stem'; choose one of: 0, 1, 2"),
        ("4.9", r"unknown block '4.9'; choose one of: 4.0, 4.1, 4.2"),
        ("", r"unknown block ''; choose one of: 0, 1"),
    ],
)
def test_unknown_blocks_are_refused(path, message):
    """A path that is not in the network is an error that lists the next level."""
    with pytest.raises(InputError, match=message):
        plan_module(convolutional(), IMAGE, Loop(), checkpoint=[path])


def test_the_largest_batch_of_a_traced_network():
    """The batch found fits, the next one does not, and four plans are enough."""
    model, asked = convolutional(), []

    def plan(batch):
        asked.append(batch)
        return plan_module(model, IMAGE, Loop(batch_size=batch, momentum=0.9))

    limit = 10_000_000
    result = largest_batch(plan, limit)
    assert len(asked) == 4
    assert plan(result).peak_bytes <= limit < plan(result + 1).peak_bytes


def test_a_network_that_cannot_be_copied_is_refused_in_one_line():
    """It keeps a state with its graph from the last step."""
    model = nn.Linear(2, 2)
    model.state = model(torch.ones(1, 2))
    with pytest.raises(InputError, match="the network cannot be copied: Only Tensors created"):
        plan_module(model, (2,), Step(batch_size=2))
