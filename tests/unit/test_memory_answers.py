"""Memory planned and measured, from runs made up so that the answers are known."""

import pytest

from hpml_lab.report.answers import answers
from hpml_lab.runs.schema import Row
from hpml_lab.units import MIB
from support.runs import benchmark, run_of


def case(optimizer="sgd", *, state=0, peak=100, first=None, planned=None, rows=(), **more):
    """Returns a case from sizes in MiB; 10 of parameters, 50 of activations."""
    tracked = {"parameters": 10, "gradients": 10, "optimizer_state": state, "activations": 50}
    tracked |= {"buffers": 1, "input": 4, "temporaries": 2, "peak": peak}
    counters = {f"tracked_{name}_bytes": size * MIB for name, size in tracked.items()}
    counters["planned_peak_bytes"] = (peak if planned is None else planned) * MIB
    counters["first_peak_bytes"] = (peak if first is None else first) * MIB
    memory = {name: size * MIB for name, size in more.pop("memory", {}).items()}
    result = benchmark(
        "memory_plan", counters=counters, memory=memory, seconds=[1.0], optimizer=optimizer, **more
    )
    result.measurement.timelines["tracked"] = list(rows)
    return result


def answer(*cases):
    """Returns the answers of a run of these cases."""
    return answers(run_of(*cases))


def test_a_row_has_sizes_peaks_and_their_ratio():
    """Measured 101 of 100 planned: off by 1 %; the state is Adam's two copies."""
    (result,) = answer(case("adam", state=20, peak=101, planned=100, first=90))
    assert result.rows == [
        ["adam", "10.0", "10.0", "20.0", "50.0", "90.0", "100.0", "101.0", "1.0100"]
    ]
    assert result.sentences == [
        "The prediction misses the memory of live tensors by at most 1,048,576 bytes (1.0000 %)."
    ]


def test_the_peak_has_a_place_and_parts():
    """The fullest row, its parts from the largest on, those below one per cent left out."""
    rows = [
        Row(phase="forward", layer="conv1", live_bytes=[10 * MIB, 0, 0, 0, 20 * MIB, 0, 0]),
        Row(
            phase="backward",
            layer="layer2.0.conv1",
            live_bytes=[10 * MIB, 1000, 0, 0, 30 * MIB, 60 * MIB, 0],
        ),
        Row(phase="optimizer", layer="", live_bytes=[10 * MIB, 0, 0, 0, 0, 60 * MIB, 2 * MIB]),
    ]
    (result,) = answer(case(rows=rows))
    assert result.sentences[1] == (
        "Peak, sgd: in the backward pass at layer2.0.conv1, 100.00 MiB (gradients 60.0, "
        "activations 30.0, parameters 10.0)."
    )


def test_the_optimizer_s_step_has_no_layer():
    """A peak outside all layers names its phase alone."""
    (result,) = answer(
        case(rows=[Row(phase="optimizer", layer="", live_bytes=[0, 0, 0, 0, 0, MIB, 0])])
    )
    assert result.sentences[1].startswith("Peak, sgd: in the optimizer's step, 1.00 MiB (")


def test_one_step_cannot_show_the_state():
    """The optimizer whose later steps need most more than its first is named."""
    adam, momentum = case("adam", state=20, peak=120, first=100), case("nesterov", state=10)
    (result,) = answer(adam, momentum)
    assert result.sentences[-1] == (
        "One step cannot show the state: adam peaks at 100.0 MiB in step 1 and at 120.0 later."
    )


def test_without_state_nothing_is_said_of_it():
    """Where the first step has the peak of all, there is nothing to warn of."""
    (result,) = answer(case("sgd"), case("adam", state=20))
    assert len(result.sentences) == 1


def test_batch_norm_keeps_more():
    """50 MiB with batch norm, 25 without."""
    none = case(batch_norm=False, peak=80)
    none.measurement.counters["tracked_activations_bytes"] = 25 * MIB
    (result,) = answer(case(), none)
    assert [row[0] for row in result.rows] == ["no batch norm", "batch norm"]
    assert result.sentences[-1] == (
        "Without batch norm 25.0 MiB of activations are kept instead of 50.0, 0.50x."
    )


def test_an_image_more_has_a_price():
    """From 4 to 16 images the peak grows by 24 MiB."""
    (result,) = answer(case(batch_size=16, peak=124), case(batch_size=4, peak=100))
    assert [row[0] for row in result.rows] == ["batch 4", "batch 16"]
    assert result.sentences[-1] == "From batch 4 to 16, each image more takes 2.00 MiB."


def test_kernels_of_the_cpu_take_memory_for_themselves():
    """15 MiB alive and 95 of the step itself are 10 % more than the 100 that were tracked."""
    (result,) = answer(case(memory={"peak_step_bytes": 95}))
    assert result.sentences[-1].endswith("the allocator gave out up to 10.0 % more.")


GPU = {
    "planned_allocated_bytes": 140, "planned_rounding_bytes": 8, "planned_workspace_bytes": 32,
    "planned_cached_bytes": 60, "planned_context_bytes": 500, "peak_allocated_bytes": 147,
    "peak_reserved_bytes": 200, "device_used_bytes": 710,
}  # fmt: skip


def test_on_a_gpu_allocated_memory_is_compared_and_the_rest_is_shown():
    """147 of 140 planned; tensors 100 + rounding 8 + workspace 32 + cached 60 + context 500."""
    plan, device = answer(case(device="cuda", memory=GPU))
    assert plan.rows[0][-3:] == ["140.0", "147.0", "1.0500"]
    assert plan.sentences[0].startswith("The prediction misses the allocated memory by at most 7,3")
    assert device.title == "Memory: what the device shows"
    assert device.rows == [
        ["sgd", "100.0", "8.0", "32.0", "60.0", "500.0", "700.0", "200.0", "710.0"]
    ]


@pytest.mark.parametrize("missing", ["planned_peak_bytes", "tracked_activations_bytes"])
def test_cases_with_other_records_are_left_out(missing):
    """A user's own group of that name answers nothing."""
    other = case()
    del other.measurement.counters[missing]
    assert answer(other) == []


def largest(optimizer, planned, ran):
    """Returns a case whose next larger batch ran out of memory."""
    counters = {
        "planned_largest_batch": planned, "largest_batch": ran, "failed_batch": ran + 1,
        "limit_bytes": 64 * MIB,
    }  # fmt: skip
    return benchmark(
        "largest_batch", counters=counters, seconds=[1.0], optimizer=optimizer, batch_size=ran
    )


def test_the_largest_batch_is_planned_and_proved():
    """SGD's was predicted, Adam's was one too large."""
    (result,) = answer(largest("sgd", 109, 109), largest("adam", 108, 107))
    assert result.rows == [
        ["sgd", "64.00 MiB", "109", "109", "110"], ["adam", "64.00 MiB", "108", "107", "108"],
    ]  # fmt: skip
    assert result.sentences == [
        "The predicted batch is the largest that ran for 1 of 2 optimizers."
    ]
