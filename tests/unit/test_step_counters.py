"""What a step that is run counts: operators, FLOP, launches, and the memory beside them."""

import os
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hpml_lab.measure import counters
from hpml_lab.measure.compiled import is_compiled
from hpml_lab.measure.counters import Counts, count_step, kernel_launches, profiled
from hpml_lab.measure.subject import subject_of
from hpml_lab.training.step import TrainingStep


def linear_step(model=None, **options):
    """A step of Adam on 8 samples of a layer from 5 to 3 features; it has run once."""
    model = nn.Linear(5, 3) if model is None else model
    optimizer = torch.optim.Adam(model.parameters())
    batch = torch.randn(8, 5), torch.randint(0, 3, (8,))
    step = TrainingStep(model, optimizer, nn.functional.cross_entropy, batch, **options)
    step()
    return step


def event(name, start, end, thread=0):
    """An event of a profile."""
    return SimpleNamespace(
        name=name, thread=thread, time_range=SimpleNamespace(start=start, end=end)
    )


def counted(step, **reported):
    """Returns what is counted of a step, of which some may be told."""
    return count_step(step, subject_of(step, **reported))


def test_a_step_is_counted_whole():
    """18 parameters with two states each in float32, and two products of 2*8*5*3 FLOP.

    The backward pass has one, of the weight: nobody asks for the gradient of the input.
    """
    result = counted(linear_step())
    assert result.counters["parameters"] == 18
    assert result.counters["sample_bytes"] == 5 * 4 + 8  # five float32 and an int64 label
    assert result.counters["optimizer_state_bytes"] == 2 * 18 * 4
    assert result.counters["step_counters"] == 2
    assert result.counters["step_flops"] == 2 * (2 * 8 * 5 * 3)
    assert "kernel_launches" not in result.counters
    assert result.memory["peak_step_bytes"] > 0
    assert result.flags == []


def test_a_function_is_counted_as_far_as_it_is_told():
    """Its FLOP and operators are those of the step inside; without a batch no bytes of a sample."""
    step = linear_step()
    own = counted(step).counters
    reported = counted(lambda: step(), model=step.model, optimizer=step.optimizer)
    assert reported.counters == {name: n for name, n in own.items() if name != "sample_bytes"}
    batch = counted(lambda: step(), batch=step.batch).counters
    assert batch["sample_bytes"] == 28
    assert "parameters" not in batch


def test_the_optimizer_s_operators_are_counted_too():
    """Plain SGD takes one operator for its two tensors where Adam takes more."""
    step = linear_step()
    with_adam = counted(step).counters["step_operators"]
    step.optimizer = torch.optim.SGD(step.model.parameters(), 0.1)
    step()
    assert counted(step).counters["step_operators"] < with_adam


def test_a_count_is_the_same_again():
    """Two steps alike dispatch alike."""
    step = linear_step()
    assert counted(step).counters == counted(step).counters


def test_a_parameter_shared_by_two_models_is_one():
    """Two models with one layer between them have its 18 parameters."""
    layer = nn.Linear(5, 3)
    models = [nn.Sequential(layer), nn.Sequential(layer)]
    assert counted(lambda: None, model=models).counters["parameters"] == 18


@pytest.mark.parametrize("wrapped", [True, False], ids=["wrapped", "in place"])
def test_a_compiled_step_has_the_flop_of_the_step_that_was_written(wrapped):
    """Its operators are its compiler's; FLOP, state and parameters are those of the source."""
    model = nn.Linear(5, 3)
    if wrapped:
        model = torch.compile(model, backend="eager")
    else:
        model.compile(backend="eager")
    step = linear_step(model)
    assert is_compiled(step, step.models)
    result = count_step(step, subject_of(step), compiled=True)
    assert result.counters["parameters"] == 18
    assert result.counters["step_flops"] == 2 * (2 * 8 * 5 * 3)
    assert "step_operators" not in result.counters
    assert result.flags == ["step_operators is not counted: the step is compiled"]


def test_a_compiled_function_is_known():
    """A function given to torch.compile says so; a plain one with a plain model does not."""
    assert is_compiled(torch.compile(lambda: None, backend="eager"))
    assert not is_compiled(lambda: None, [nn.Linear(2, 2)])


def test_a_cycle_is_counted_by_its_mean():
    """Of four calls each takes a product of 2*2*3*4 FLOP and the last a second: 60 a call."""
    calls = iter(range(1_000))
    weight = torch.ones(3, 4)

    def step():
        for _ in range(2 if next(calls) % 4 == 3 else 1):
            torch.ones(2, 3) @ weight

    result = count_step(step, subject_of(step, batch=weight), calls=4)
    assert result.counters["step_flops"] == 5 * 48 // 4


def test_what_cannot_be_counted_is_a_flag_that_names_it():
    """The error of one count becomes a sentence, and the others are made."""
    result = Counts()

    def fails():
        raise RuntimeError("sparse tensors do not have strides\nand more")

    result.add("step_flops", result.counters, fails)
    result.add("parameters", result.counters, lambda: {"parameters": 3})
    assert result.counters == {"parameters": 3}
    assert result.flags == [
        "step_flops is not counted: RuntimeError: sparse tensors do not have strides"
    ]


def test_a_step_that_fails_when_it_is_counted_keeps_its_other_counts():
    """A step that works twice only is flagged for FLOP and memory; its parameters are told."""
    step = linear_step()

    def worn_out():
        raise RuntimeError("the loader is at its end")

    result = count_step(worn_out, subject_of(step))
    assert result.counters["parameters"] == 18
    assert result.flags == [
        "step_flops is not counted: RuntimeError: the loader is at its end",
        "memory is not counted: RuntimeError: the loader is at its end",
    ]


@torch.library.custom_op("hpml_tests::square", mutates_args=())
def square(values: torch.Tensor) -> torch.Tensor:
    """A product that nobody has a formula for."""
    return values @ values


def test_flop_that_are_left_out_are_named():
    """An operator of somebody's own, and the factorisation behind a solution."""

    def step():
        square(torch.eye(3))
        torch.linalg.solve(torch.eye(3), torch.eye(3))

    result = counted(step, batch=torch.eye(3))
    assert result.counters["step_flops"] == 0
    assert result.flags == ["step_flops leaves out: aten._linalg_solve_ex, hpml_tests.square"]


def test_samples_that_are_not_known_are_said():
    """Three tensors of two lengths: no samples, no bytes of one, and what to do."""
    result = counted(lambda: None, batch={"a": torch.zeros(2, 3), "b": torch.zeros(3)})
    assert "sample_bytes" not in result.counters
    assert result.flags[0].startswith("sample_bytes is not counted: the batch does not tell")


def test_memory_of_a_device_without_counters_is_not_told():
    """On meta nothing is allocated; the CPU's bytes would be another's."""
    batch = torch.zeros(4, device="meta")
    result = counted(lambda: None, batch=batch)
    assert result.memory == {}
    assert "memory is not measured on meta" in result.flags


def test_launches_are_told_from_copies_and_waits():
    """Three kernels, by both interfaces, and a graph; memory and synchronisation launch nothing."""
    calls = ["cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cudaGraphLaunch"]
    calls += ["cudaLaunchCooperativeKernel", "cuLaunchCooperativeKernel"]
    others = ["cudaMemcpyAsync", "cudaDeviceSynchronize", "aten::add", "cudaMemsetAsync"]
    assert kernel_launches(event(n, i, i + 1) for i, n in enumerate([*calls, *others])) == 6


def test_a_launch_that_two_interfaces_see_counts_once():
    """The driver's call lies within that of the runtime; another thread's and the next do not."""
    inner = event("cuLaunchKernel", 2, 3)
    assert kernel_launches([inner, event("cudaLaunchKernel", 1, 4)]) == 1
    assert kernel_launches([inner, event("cudaLaunchKernel", 1, 4, thread=7)]) == 2
    assert kernel_launches([inner, event("cudaLaunchKernel", 3, 4)]) == 2
    assert kernel_launches([inner, event("aten::add", 1, 4)]) == 1


def test_launches_are_counted_on_cuda(monkeypatch):
    """A step on CUDA is run once more under the profiler."""
    launches = [event("cudaLaunchKernel", moment, moment) for moment in range(7)]
    monkeypatch.setattr(counters, "profiled", lambda _step: launches)
    monkeypatch.setattr(counters, "step_memory", lambda *_: {"peak_allocated_bytes": 5})
    step = linear_step()
    monkeypatch.setattr(TrainingStep, "device", "cuda")
    result = counted(step)
    assert result.counters["kernel_launches"] == 7
    assert result.memory == {"peak_allocated_bytes": 5}


@pytest.mark.filterwarnings("ignore:CUDA is not available")
def test_the_profiler_s_events_are_the_calls():
    """A matrix product on the CPU is among the events of its step."""
    calls = profiled(lambda: torch.ones(2, 2) @ torch.ones(2, 2))
    (product,) = [call for call in calls if call.name == "aten::mm"]
    assert product.time_range.start < product.time_range.end


@pytest.mark.filterwarnings("ignore:CUDA is not available")
@pytest.mark.parametrize(("setting", "kept"), [(None, "1"), ("0", "0")])
def test_cupti_is_let_go_behind_a_profile(monkeypatch, setting, kept):
    """It would slow what is timed next; who has said otherwise is left alone."""
    monkeypatch.delenv("TEARDOWN_CUPTI", raising=False)
    if setting is not None:
        monkeypatch.setenv("TEARDOWN_CUPTI", setting)
    profiled(lambda: None)
    assert os.environ["TEARDOWN_CUPTI"] == kept


def test_no_launch_is_no_number(monkeypatch):
    """Where the driver tells nothing, as without permission for CUPTI, 0 would be a lie."""
    monkeypatch.setattr(counters, "profiled", lambda _step: [event("aten::add", 0, 1)])
    monkeypatch.setattr(counters, "step_memory", lambda *_: {})
    step = linear_step()
    monkeypatch.setattr(TrainingStep, "device", "cuda")
    assert "kernel_launches" not in counted(step).counters


@pytest.mark.parametrize(
    ("compiled", "given_back"), [(True, ["back", "memory"]), (False, ["memory"])]
)
def test_what_the_compiler_left_is_given_back_before_memory_is_read(
    monkeypatch, compiled, given_back
):
    """Its own trials, and the warm-up of graphs, would count as reserved."""
    log = []
    monkeypatch.setattr(counters, "release_cached_memory", lambda: log.append("back"))
    monkeypatch.setattr(counters, "step_memory", lambda *_: log.append("memory") or {})
    step = linear_step()
    count_step(step, subject_of(step), compiled=compiled)
    assert log == given_back
