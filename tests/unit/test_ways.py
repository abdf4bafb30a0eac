"""What would make a training fit that does not: each way planned, and held against a real step."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from hpml_lab import TrainingStep, plan
from hpml_lab.memory.fitting import Device
from hpml_lab.memory.trace import track
from hpml_lab.memory.ways import accumulate, both, recomputable, recompute, ways
from hpml_lab.memory.workload_plan import as_on_gpu, plan_changed

BLOCKS = 6


class Block(nn.Module):
    """Keeps three tensors of its input's size."""

    def __init__(self, width):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width))

    def forward(self, inputs):
        """Adds what the inner layers say."""
        return inputs + self.inner(inputs)


class Deep(nn.Module):
    """Blocks in a list, as language models have them."""

    def __init__(self, width):
        super().__init__()
        self.blocks = nn.ModuleList(Block(width) for _ in range(BLOCKS))
        self.head = nn.Linear(width, 10)

    def forward(self, inputs):
        """Runs block after block."""
        for block in self.blocks:
            inputs = block(inputs)
        return self.head(inputs)


def training(batch_size=8192, width=32):
    """Many activations, few weights."""
    torch.manual_seed(0)
    model = Deep(width)
    batch = torch.randn(batch_size, width), torch.zeros(batch_size, dtype=torch.long)
    optimizer = torch.optim.Adam(model.parameters())
    return TrainingStep(model, optimizer, functional.cross_entropy, batch)


def ways_by_name(memory_bytes, function=training, **settings):
    """The ways by the beginning of their names, in their order."""
    device = Device(memory_bytes=memory_bytes)
    now = plan_changed(function, settings, as_on_gpu).fit(device)
    return {way.name.split()[0]: way for way in ways(function, settings, device, now)}


@pytest.mark.integration
def test_ways_that_fit_come_first_and_need_less_than_now():
    """With 20 MiB for a step that needs more than 30."""
    shown = ways_by_name(20 * 2**20)
    fits = [way.fit.fits for way in shown.values()]
    assert fits == sorted(fits, reverse=True)
    assert set(shown) >= {"bfloat16", "recompute"}
    assert shown["bfloat16"].changes_numbers
    assert not shown["recompute"].changes_numbers


def test_recomputed_blocks_are_planned_as_a_real_step_takes_them():
    """All six blocks recomputed, loop over tensors: planned and watched peak are equal."""

    def recomputed(step):
        for block in step.model.blocks:
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)

    planned = plan_changed(training, {}, recomputed)
    step = training()
    recomputed(step)
    step()
    assert planned.peak_bytes == track(step).peak_bytes
    assert planned.peak_bytes < plan(training).peak_bytes


@pytest.mark.integration
def test_no_more_blocks_are_recomputed_than_needed():
    """A byte less than the step needs: so many blocks that it fits, and with one less it does not.

    With no room at all it is all six.
    """
    device = Device(
        memory_bytes=plan_changed(training, {}, as_on_gpu).fit(Device()).needed_bytes - 1
    )
    name = ways_by_name(device.memory_bytes)["recompute"].name
    count = int(name.split()[1])
    assert name == f"recompute {count} of 6 blocks, blocks.0 to blocks.{count - 1}"
    for blocks, fits in ((count, True), (count - 1, False)):
        change = both(as_on_gpu, partial(recompute, names=[f"blocks.{n}" for n in range(blocks)]))
        assert plan_changed(training, {}, change).fit(device).fits is fits
    assert ways_by_name(1)["recompute"].name.startswith("recompute 6 of 6")


def test_gradients_that_add_up_are_there_in_the_forward_pass():
    """Planned as the second of two passes: what a real step takes whose gradients stayed."""
    planned = plan_changed(training, {"batch_size": 256}, accumulate)
    step = training(256)
    accumulate(step)
    step()
    assert planned.peak_bytes == track(step).peak_bytes
    assert planned.peak_bytes > plan(training, batch_size=256).peak_bytes


@pytest.mark.integration
def test_without_a_batch_size_nothing_adds_up():
    """The workload says no smaller batch; the other ways are there."""

    def fixed(width=32):
        return training(width=width)

    shown = ways_by_name(1, fixed)
    assert "2" not in shown
    assert "recompute" in shown


@pytest.mark.parametrize(
    ("model", "blocks"),
    [
        (Deep(4), [f"blocks.{n}" for n in range(BLOCKS)]),
        (nn.Sequential(Deep(4), nn.Linear(10, 1)), [f"0.blocks.{n}" for n in range(BLOCKS)]),
        (nn.Sequential(nn.Linear(4, 4), nn.Tanh()), []),
        (nn.Linear(4, 4), []),
    ],
)
def test_blocks_are_what_lists_consist_of(model, blocks):
    """The outermost list with four blocks or more; layers alone are no blocks."""
    assert recomputable([model]) == blocks


@pytest.mark.integration
def test_a_default_batch_size_is_cut_too():
    """Nobody has to set it; what cannot be planned loses no other way."""

    def reluctant(batch_size=8192):
        step = training(batch_size)

        def loss(model, batch):
            assert step.precision == "float32"
            return functional.cross_entropy(model(batch[0]), batch[1])

        step.loss, step.compute_loss = None, loss
        return step

    shown = ways_by_name(12 * 2**20, reluctant)
    assert "bfloat16" not in shown
    assert any(way.name.endswith("batch norm sees smaller batches") for way in shown.values())
