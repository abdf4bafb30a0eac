"""What a GPU adds to a step's tensors, on steps small enough to follow by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.errors import InputError, MemoryLimitError
from hpml_lab.memory.gpu import GpuMemory, Workspace, gpu_memory, workspace_bytes
from hpml_lab.memory.timeline import PHASES, Recorder

MIB = 2**20


def step(parameter=1000, state=0, activation=5 * MIB, gradient=1000):
    """Returns a step of one layer: what it keeps, its activation, its gradient."""
    recorder = Recorder()
    recorder.allocate(parameter, "parameters")
    if state:
        recorder.allocate(state, "optimizer_state")
    recorder.phase, recorder.layer = "forward", "fc"
    kept = recorder.allocate(activation)
    recorder.keep_activations()
    recorder.phase = "backward"
    recorder.allocate(gradient, "gradients")
    recorder.free(kept)
    recorder.phase, recorder.layer = "optimizer", ""
    recorder.free(recorder.allocate(gradient))
    return recorder.timeline()


def test_the_three_numbers_are_sums_of_their_terms():
    """Allocated, reserved and device used, each the one before and more."""
    memory = GpuMemory(
        tensors_bytes=1, rounding_bytes=2, workspace_bytes=4, cached_bytes=8, context_bytes=16
    )
    assert (memory.allocated_bytes, memory.reserved_bytes, memory.device_used_bytes) == (7, 15, 31)


def test_an_unknown_context_stays_unknown():
    """Device used needs a measured context; no default is made up."""
    assert gpu_memory(step()).device_used_bytes is None
    assert gpu_memory(step(), context_bytes=500 * MIB).device_used_bytes == 522 * MIB


def test_a_step_is_rounded_and_cached():
    """1000 + 5 MiB + 1000 bytes: two blocks of 1024 round by 48; segments of 2 and 20 MiB."""
    memory = gpu_memory(step())
    assert memory.tensors_bytes == 5 * MIB + 2000
    assert memory.rounding_bytes == 48
    assert memory.allocated_bytes == 5 * MIB + 2048
    assert memory.reserved_bytes == 22 * MIB


def test_state_is_made_where_the_first_pass_left_room():
    """11 MiB of state take the 20 that the activation had, and the second step needs 20 more.

    Made before the first pass, the state would have 12 MiB of its own: 34 MiB in all.
    """
    assert gpu_memory(step(state=11 * MIB, activation=20 * MIB)).reserved_bytes == 42 * MIB


def test_state_counts_at_the_peak_though_the_first_step_has_none():
    """The peak is that of the steps behind the first."""
    without, beside = gpu_memory(step()), gpu_memory(step(state=4 * MIB))
    assert beside.allocated_bytes - without.allocated_bytes == 4 * MIB


def test_gradients_go_before_the_next_step():
    """A gradient of 3 MiB is alive once, beside 5 MiB of activation."""
    memory = gpu_memory(step(gradient=3 * MIB))
    assert memory.tensors_bytes == 8 * MIB + 1000
    assert memory.allocated_bytes == 8 * MIB + 1024


def test_counters_on_the_gpu_take_512_bytes_each():
    """62 counters, those of ResNet-18, take 31 KiB."""
    more = gpu_memory(step(), counters=62).allocated_bytes - gpu_memory(step()).allocated_bytes
    assert more == 31_744
    with pytest.raises(InputError, match="counters is -1"):
        gpu_memory(step(), counters=-1)


@pytest.mark.parametrize(
    ("capability", "size"),
    [
        ((7, 0), 8_519_680),
        ((8, 9), 8_519_680),
        ((9, 0), 33_554_432),
        ((10, 0), 33_554_432),
        ((12, 0), 33_554_432),
    ],
)
def test_a_workspace_is_32_mib_from_hopper_on(capability, size):
    """8.125 MiB before."""
    assert workspace_bytes(capability) == size


def test_a_workspace_is_at_work_while_its_layer_is():
    """Behind the gradient's allocation 5 MiB of activation are alive, and 32 MiB beside them."""
    memory = gpu_memory(step(), workspace=Workspace(size_bytes=32 * MIB, layers=["fc"]))
    assert memory.workspace_bytes == 32 * MIB
    assert memory.reserved_bytes == 54 * MIB


def test_a_workspace_below_the_peak_costs_nothing():
    """A layer at work with 1 MiB alive, and 60 MiB alive elsewhere: the peak is the same."""
    recorder = Recorder()
    recorder.phase, recorder.layer = "forward", "fc"
    recorder.free(recorder.allocate(MIB))
    recorder.layer = "conv"
    recorder.free(recorder.allocate(60 * MIB))
    workspace = Workspace(size_bytes=32 * MIB, layers=["fc"])
    assert gpu_memory(recorder.timeline(), workspace=workspace).workspace_bytes == 0


def test_a_kept_workspace_is_kept_for_each_pass():
    """Older releases of torch keep two: of the forward and of the backward thread."""
    workspace = Workspace(size_bytes=32 * MIB, layers=["fc"], kept=True)
    assert gpu_memory(step(), workspace=workspace).workspace_bytes == 64 * MIB


def test_layers_that_do_not_multiply_have_no_workspace():
    """A network of convolutions alone."""
    workspace = Workspace(size_bytes=32 * MIB, layers=["head"])
    assert gpu_memory(step(), workspace=workspace).workspace_bytes == 0


def test_a_capacity_that_is_too_small_is_an_error():
    """22 MiB hold the step, 21 do not."""
    assert gpu_memory(step(), capacity_bytes=22 * MIB).reserved_bytes == 22 * MIB
    with pytest.raises(MemoryLimitError, match="tried to allocate 20971520 bytes"):
        gpu_memory(step(), capacity_bytes=21 * MIB)


@st.composite
def timelines(draw):
    """Steps with blocks of any size; each block of the step itself is freed in it or never."""
    recorder = Recorder()
    live = []
    for phase in PHASES:
        recorder.phase = phase
        for size in draw(st.lists(st.integers(0, 30 * MIB), max_size=8)):
            block = recorder.allocate(size)
            if phase != "before":
                live.append(block)
            if live and draw(st.booleans()):
                recorder.free(live.pop(draw(st.integers(0, len(live) - 1))))
    return recorder.timeline()


@given(timelines())
def test_each_number_is_at_least_the_one_before(timeline):
    """Tensors <= allocated <= reserved, for any step, and reserved is a multiple of 2 MiB."""
    memory = gpu_memory(timeline, workspace=Workspace(size_bytes=32 * MIB, layers=[""]))
    assert memory.rounding_bytes >= 0
    assert memory.tensors_bytes <= memory.allocated_bytes <= memory.reserved_bytes
    assert memory.reserved_bytes % (2 * MIB) == 0
