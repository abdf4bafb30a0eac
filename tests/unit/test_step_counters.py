"""What a step that is run counts: operators, FLOP, launches, and the memory beside them."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hpml_lab.measure import counters
from hpml_lab.measure.counters import kernel_launches, step_counters
from hpml_lab.measure.record import Sampling
from hpml_lab.pytest_plugin.measuring import Measure
from hpml_lab.workloads.step import TrainingStep


def linear_step(compiled=False):
    """A step of Adam on 8 samples of a layer from 5 to 3 features; it has run once."""
    model = nn.Linear(5, 3)
    if compiled:
        model = torch.compile(model, backend="eager")
    optimizer = torch.optim.Adam(model.parameters())
    batch = torch.randn(8, 5), torch.randint(0, 3, (8,))
    step = TrainingStep(model, optimizer, nn.functional.cross_entropy, batch)
    step()
    return step


def test_a_step_is_counted_whole():
    """18 parameters with two states each in float32, and two products of 2*8*5*3 FLOP.

    The backward pass has one, of the weight: nobody asks for the gradient of the input.
    """
    counts = step_counters(linear_step())
    assert counts["parameters"] == 18
    assert counts["sample_bytes"] == 5 * 4 + 8  # five float32 and an int64 label
    assert counts["optimizer_state_bytes"] == 2 * 18 * 4
    assert counts["step_counters"] == 2
    assert counts["step_flops"] == 2 * (2 * 8 * 5 * 3)
    assert "kernel_launches" not in counts


def test_the_optimizer_s_operators_are_counted_too():
    """Plain SGD takes one operator for its two tensors where Adam takes more."""
    step = linear_step()
    with_adam = step_counters(step)["step_operators"]
    step.optimizer = torch.optim.SGD(step.model.parameters(), 0.1)
    step()
    assert step_counters(step)["step_operators"] < with_adam


def test_a_count_is_the_same_again():
    """Two steps alike dispatch alike."""
    step = linear_step()
    assert step_counters(step) == step_counters(step)


def test_a_compiled_step_dispatches_nothing_to_count():
    """What is compiled calls kernels of its own; state and parameters are counted all the same."""
    counts = step_counters(linear_step(compiled=True))
    assert counts["parameters"] == 18
    assert not {"step_flops", "step_operators"} & counts.keys()


def test_launches_are_told_from_copies_and_waits():
    """Three kernels, by both interfaces, and a graph; memory and synchronisation launch nothing."""
    calls = ["cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cudaGraphLaunch"]
    others = ["cudaMemcpyAsync", "cudaDeviceSynchronize", "aten::add", "cudaMemsetAsync"]
    assert kernel_launches([*calls, *others]) == 4


def test_launches_are_counted_on_cuda(monkeypatch):
    """A step on CUDA is run once more under the profiler."""
    monkeypatch.setattr(counters, "_runtime_calls", lambda _step: ["cudaLaunchKernel"] * 7)
    monkeypatch.setattr(TrainingStep, "device", "cuda")
    assert step_counters(linear_step())["kernel_launches"] == 7


@pytest.mark.filterwarnings("ignore:CUDA is not available")
def test_the_profiler_s_events_are_the_calls():
    """A matrix product on the CPU is among the events of its step."""
    calls = counters._runtime_calls(lambda: torch.ones(2, 2) @ torch.ones(2, 2))
    assert "aten::mm" in calls


@pytest.mark.parametrize("counted", [True, False])
def test_a_training_step_is_counted_behind_its_rounds(counted):
    """The fixture counts a `TrainingStep` and its memory; of other functions it knows nothing."""
    step = linear_step()
    how = Sampling(iterations=1, warm_up=3, stopped="budget")
    kept = {}
    bench = SimpleNamespace(
        time=lambda step, _clock: (step(), how), rounds_s=lambda: [1.0], describe=kept.update
    )
    measure = Measure(bench, {})
    measure(step if counted else lambda: step())
    measure.finish()
    assert ("step_operators" in kept["counters"]) is counted
    assert ("peak_step_bytes" in kept["memory"]) is counted
