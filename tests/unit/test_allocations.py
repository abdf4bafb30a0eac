"""What a step allocates and frees, noted operator by operator."""

import gc
import weakref
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from hpml_lab.errors import MemoryLimitError
from hpml_lab.memory.trace import AllocationTracker, track
from hpml_lab.training.step import TrainingStep

# Bytes of the network below in float32: weights 6x4 and 3x6, biases 6 and 3.
PARAMETERS = 4 * (24 + 6 + 18 + 3)
INPUT = 4 * 5 * 4 + 8 * 5
# Kept for the backward pass: hidden (its ReLU in place or not), log-softmax, loss, its weight.
HIDDEN, LOGITS, SCALAR = 4 * 5 * 6, 4 * 5 * 3, 4
ACTIVATIONS = HIDDEN + LOGITS + 2 * SCALAR


def network(inplace=False):
    """Returns two linear layers for four inputs and three classes."""
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace), nn.Linear(6, 3))


def training_step(model=None, optimizer=torch.optim.SGD, **options):
    """Returns a step on five samples."""
    model = network() if model is None else model
    batch = torch.zeros(5, 4), torch.zeros(5, dtype=torch.long)
    return TrainingStep(
        model, optimizer(model.parameters(), **options), functional.cross_entropy, batch
    )


def noted(function, *tensors):
    """Returns the timeline of a call, nothing but the tensors given held before."""
    tracker = AllocationTracker(nn.Module(), "cpu")
    tracker.hold(tensors, "input")
    with tracker:
        function()
    return tracker.recorder.timeline()


@pytest.mark.parametrize("inplace", [False, True])
def test_a_step_of_two_linear_layers_is_counted_by_hand(inplace):
    """204 bytes of weights, 120 of input, 188 kept by the forward pass, 204 of gradients."""
    timeline = track(training_step(network(inplace)))
    assert timeline.held_bytes("parameters", "before") == PARAMETERS == 204
    assert timeline.held_bytes("input", "before") == INPUT == 120
    assert timeline.held_bytes("activations", "forward") == ACTIVATIONS == 188
    assert timeline.held_bytes("activations", "backward") == SCALAR
    assert timeline.held_bytes("gradients", "backward") == PARAMETERS
    assert timeline.held_bytes("temporaries", "backward") == 0


def test_a_relu_in_place_allocates_nothing():
    """Out of place it makes one more hidden tensor, and the one before it is freed."""

    def changes(inplace):
        events = track(training_step(network(inplace))).events
        return [e.change_bytes for e in events if (e.phase, e.layer) == ("forward", "1")]

    assert changes(inplace=True) == []
    assert changes(inplace=False) == [HIDDEN, -HIDDEN]


def test_the_backward_pass_knows_its_layers():
    """Gradients of a layer's weights appear in it, last layer first."""
    timeline = track(training_step())
    layers = [moment.layer for moment in timeline.outline() if moment.phase == "backward"]
    assert layers == ["", "2", "1", "0"]


def test_state_is_there_from_the_start_of_a_second_step():
    """Adam's two copies appear in the optimizer's first step, without its counters."""
    step = training_step(optimizer=torch.optim.Adam)
    first, second = track(step), track(step)
    assert first.held_bytes("optimizer_state", "backward") == 0
    assert first.held_bytes("optimizer_state", "optimizer") == 2 * PARAMETERS
    assert second.held_bytes("optimizer_state", "before") == 2 * PARAMETERS


def test_buffers_are_counted():
    """A batch norm of six channels has 48 bytes of statistics and a counter of 8."""
    step = training_step(nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)))
    assert track(step).held_bytes("buffers", "before") == 56


def test_a_view_is_no_new_memory():
    """Views and operators in place allocate nothing; a copy does."""
    tensor = torch.zeros(10)
    timeline = noted(lambda: tensor.view(2, 5).t().add_(1), tensor)
    assert timeline.totals == [40]
    assert noted(lambda: tensor.view(2, 5).t().contiguous(), tensor).peak_bytes == 80


def test_a_part_keeps_the_whole_alive():
    """A slice of one value holds the storage it was cut from."""
    kept = []
    timeline = noted(lambda: kept.append(torch.zeros(100)[:1]))
    assert timeline.totals == [400]


def test_results_in_lists_are_counted():
    """An operator over lists allocates each of its results."""
    tensors = [torch.zeros(3), torch.zeros(4)]
    assert noted(lambda: torch._foreach_add(tensors, 1), *tensors).peak_bytes == 2 * (12 + 16)


def test_a_resized_storage_counts_with_its_new_size():
    """A result written into an empty tensor makes that tensor grow."""
    empty = torch.empty(0)
    assert noted(lambda: torch.add(torch.ones(4), 1, out=empty), empty).totals[-1] == 16


def test_other_devices_do_not_count():
    """Only the storages of the device asked for are noted."""
    tracker = AllocationTracker(nn.Module(), "meta")
    with tracker:
        torch.zeros(3)
        torch.zeros(5, device="meta")
    assert tracker.recorder.timeline().peak_bytes == 20


@pytest.mark.parametrize(("device", "mode"), [("meta", nullcontext), ("cpu", FakeTensorMode)])
def test_tensors_without_storage_are_counted_as_real_ones(device, mode):
    """Meta and fake tensors give the same events as real ones."""

    def events(device, mode, storage):
        with mode, torch.device(device):
            step = training_step(momentum=0.9)
            step()
            tracker = AllocationTracker(step.model, storage, [step.optimizer])
            with tracker:
                step()
        return tracker.recorder.timeline()

    assert events(device, mode(), "meta") == events("cpu", nullcontext(), "cpu")


def test_tracking_keeps_nothing_alive():
    """A tensor dies within the context as soon as the program lets it go."""
    with AllocationTracker(nn.Module(), "cpu"):
        tensor = torch.zeros(3)
        alive = weakref.ref(tensor.untyped_storage())
        del tensor
        assert alive() is None


def test_tracking_changes_no_gradient():
    """Loss, gradients and hooks are the same with and without it; no gradient is copied."""
    torch.manual_seed(0)
    step = training_step()
    expected = [value.clone() for value in (step(), *(p.grad for p in step.model.parameters()))]
    torch.manual_seed(0)
    step = training_step()
    timeline = track(step)
    result = [p.grad for p in step.model.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(result, expected[1:], strict=True))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in step.model.modules())
    made = [event.change_bytes for event in timeline.events if event.phase == "backward"]
    assert sum(change == 4 * 24 for change in made) == 1


def test_the_limit_is_exact():
    """A step fits into its peak, and not into one byte less."""
    step = training_step()
    peak = track(step).peak_bytes
    assert track(step, limit_bytes=peak).peak_bytes == peak
    with pytest.raises(MemoryLimitError, match=rf"{peak:,} bytes .* {peak - 1:,} are allowed"):
        track(step, limit_bytes=peak - 1)


def test_the_limit_names_the_place():
    """A limit that the forward pass exceeds names its layer."""
    with pytest.raises(MemoryLimitError, match="phase forward at 0 and 330 are allowed"):
        track(training_step(), limit_bytes=330)


def test_memory_is_given_back_behind_the_limit():
    """What a step had allocated is freed while its error is still held."""
    step = training_step()
    made = []
    step.model.register_forward_hook(
        lambda _module, _inputs, output: made.append(weakref.ref(output.untyped_storage()))
    )
    peak = track(step).peak_bytes
    made.clear()
    gc.disable()
    try:
        with pytest.raises(MemoryLimitError) as caught:
            track(step, limit_bytes=peak - 1)
        assert [reference() for reference in made] == [None]
        assert all(parameter.grad is None for parameter in step.model.parameters())
    finally:
        gc.enable()
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert track(step).peak_bytes == peak


def test_recomputed_layers_are_named_in_the_backward_pass():
    """A checkpointed block allocates its hidden tensors again, under its own name."""
    model = network()
    inner = nn.Sequential(model[0], model[1])
    model = nn.Sequential(inner, model[2])
    forward = inner.forward
    inner.forward = lambda inputs: checkpoint(forward, inputs, use_reentrant=False)
    timeline = track(training_step(model))
    assert timeline.held_bytes("activations", "forward") == ACTIVATIONS
    again = [e for e in timeline.events if e.phase == "backward" and e.change_bytes == HIDDEN]
    assert "0.0" in {event.layer for event in again}
