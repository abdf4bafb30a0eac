"""The allocator's history of a step as a timeline: phases, categories, nothing lost."""

import pytest
import torch
from torch import nn

from hpml_lab.errors import MeasurementError
from hpml_lab.memory.cuda_timeline import cuda_timeline, read_trace
from hpml_lab.training.step import TrainingStep


def entry(action, addr=0, size=0):
    """An entry of the history."""
    return {"action": action, "addr": addr, "size": size}


MARK = entry("snapshot")


def test_blocks_phases_and_categories():
    """A parameter, an activation kept until the backward pass, a gradient, a temporary."""
    trace = [
        MARK,
        entry("segment_alloc", 100, 2**21),
        entry("alloc", 110, 50),
        MARK,
        entry("alloc", 120, 8),
        entry("free_requested", 110, 50),
        entry("free_completed", 110, 50),
        MARK,
        entry("alloc", 110, 8),
        entry("free_requested", 110, 8),
        entry("free_completed", 110, 8),
        MARK,
    ]
    timeline = read_trace({100: 8, 900: 3}, trace, {100: "parameters"}, [120])
    assert timeline.totals == [8, 11, 61, 69, 19, 27, 19]
    assert [event.phase for event in timeline.events] == [
        "before", "before", "forward", "backward", "backward", "optimizer", "optimizer",
    ]  # fmt: skip
    assert timeline.categories == (
        "parameters", "temporaries", "activations", "gradients", "temporaries",
    )  # fmt: skip
    assert timeline.peak.phase == "backward"


def test_an_address_may_be_used_again():
    """Of two blocks at one address the gradient is the one that is there at the end."""
    trace = [MARK, MARK, entry("alloc", 1, 5), entry("free_completed", 1, 5), entry("alloc", 1, 9)]
    assert read_trace({}, trace, {}, [1]).categories == ("temporaries", "gradients")


def test_a_block_of_before_the_history_loses_no_timeline():
    """One that waited for another stream is released in it; a gradient may lie inside a block."""
    trace = [MARK, MARK, entry("free_completed", 77, 5), entry("alloc", 1, 9)]
    assert read_trace({}, trace, {}, [1, 5]).categories == ("gradients",)


class FakeMemory:
    """A history to which a real step on the CPU adds an entry at every snapshot."""

    def __init__(self, step):
        self.log = []
        self.trace = []
        self.step = step

    def _record_memory_history(self, enabled="all", **options):
        self.log.append((enabled, options))

    def _snapshot(self):
        self.trace += [entry("alloc", len(self.trace), 100), MARK]
        weight = self.step.model.weight
        blocks = [
            {"address": weight.data_ptr(), "requested_size": 24, "state": "active_allocated"},
            {"address": 77, "requested_size": 99, "state": "inactive"},
        ]
        return {
            "segments": [{"device": 0, "blocks": blocks}, {"device": 1, "blocks": blocks}],
            "device_traces": [list(self.trace), []],
        }


@pytest.fixture
def step():
    """A step that has run before, so that old gradients are there."""
    torch.manual_seed(0)
    model = nn.Linear(3, 2, bias=False)
    batch = (torch.ones(4, 3), torch.zeros(4, dtype=torch.long))
    step = TrainingStep(model, torch.optim.SGD(model.parameters()), nn.CrossEntropyLoss(), batch)
    step()
    return step


def without_gradients(step):
    """Lets the gradients go behind the update: the fake does not know where they lie."""
    zero = step.optimizer.zero_grad
    step.optimizer.register_step_post_hook(lambda *_: zero(set_to_none=True))
    return step


def test_phases_begin_with_the_loss_and_with_the_update(step):
    """One entry before the forward pass, one each up to the backward pass and the update."""
    timeline = cuda_timeline(without_gradients(step), FakeMemory(step))
    assert [event.phase for event in timeline.events] == [
        "before", "before", "forward", "backward", "optimizer",
    ]  # fmt: skip
    assert timeline.categories[0] == "parameters"
    assert timeline.peak_bytes == 24 + 4 * 100


def test_the_step_is_the_real_one(step):
    """The marks change neither the loss nor the update, and leave no hook behind."""
    before = step.model.weight.detach().clone()
    memory = FakeMemory(step)
    cuda_timeline(without_gradients(step), memory)
    assert not torch.equal(step.model.weight, before)
    entries = len(memory.trace)
    step()
    assert len(memory.trace) == entries


def test_the_history_is_switched_off_also_behind_an_error(step):
    """A step that fails does not leave torch recording."""
    memory = FakeMemory(step)
    step.loss = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        cuda_timeline(step, memory)
    assert memory.log == [
        ("all", {"context": None, "max_entries": 1_000_000}),
        (None, {}),
    ]


def test_a_history_that_has_overflown_is_refused(step):
    """At the limit the first entries are overwritten: no timeline from what is left."""
    with pytest.raises(MeasurementError, match="the step has 8 events of memory or more"):
        cuda_timeline(without_gradients(step), FakeMemory(step), max_entries=8)
