"""A step beside its plan, on the CPU; and what a GPU adds to it, from what a GPU says of itself."""

from dataclasses import replace

import pytest

from hpml_lab.errors import MemoryLimitError
from hpml_lab.memory import compared
from hpml_lab.memory.compared import (
    backward_peak_bytes,
    gpu_counters,
    planned_memory,
    planned_on_gpu,
)
from hpml_lab.memory.gpu import GpuMemory
from hpml_lab.memory.training_plan import plan_training
from hpml_lab.training.trainer import Trainer
from hpml_lab.training.training import Training
from hpml_lab.units import MIB

SMALL = Training(
    width=4, images=8, batch_size=8, workers=0, optimizer="adam", optimizer_settings="default"
)


class Hopper:
    """A GPU whose matrix products get a workspace of 32 MiB."""

    @staticmethod
    def get_device_capability():
        return 9, 0


@pytest.fixture
def memory(images):
    """Two steps with Adam beside their plan."""
    return planned_memory(Trainer(SMALL, images))


def test_what_was_tracked_is_what_was_planned(memory):
    """Every category to the byte; the peak but for the loss, a scalar."""
    counters = memory.counters
    names = [name.removeprefix("planned_") for name in counters if name.startswith("planned_")]
    assert len(names) == 8
    off = {name: counters[f"tracked_{name}"] - counters[f"planned_{name}"] for name in names}
    assert off.pop("peak_bytes") in {0, 4}
    assert set(off.values()) == {0}


def test_the_first_step_cannot_show_the_state(memory):
    """In the backward pass of step 1 two copies of the parameters are missing, and exactly they."""
    state = memory.counters["tracked_optimizer_state_bytes"]
    assert state == 2 * memory.counters["tracked_parameters_bytes"]
    assert backward_peak_bytes(memory.tracked) - backward_peak_bytes(memory.first) == state


def test_behind_the_first_step_gradients_and_state_are_alive(memory):
    """Parameters, gradients and two copies for Adam, with buffers and the batch."""
    sizes = {name.removeprefix("tracked_"): size for name, size in memory.counters.items()}
    held = sum(
        sizes[f"{name}_bytes"]
        for name in ("parameters", "buffers", "gradients", "optimizer_state", "input")
    )
    assert sizes["first_live_bytes"] - held in {0, 4}


def test_both_timelines_are_kept(memory):
    """Planned and tracked have the same phases in the same order."""
    phases = {
        name: list(dict.fromkeys(row.phase for row in rows))
        for name, rows in memory.timelines.items()
    }
    assert phases["planned"] == phases["tracked"] == ["before", "forward", "backward", "optimizer"]


def test_the_linear_layer_s_product_gets_a_workspace(images):
    """A release that keeps it has it at the peak; without a linear layer there is none."""
    trainer = Trainer(SMALL, images)
    plan = plan_training(SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compared.torch, "__version__", "2.14.1+cu130")
        assert planned_on_gpu(trainer.model, plan, cuda=Hopper).workspace_bytes >= 32 * MIB
        trainer.model.linear = None
        assert planned_on_gpu(trainer.model, plan, cuda=Hopper).workspace_bytes == 0


def test_a_capacity_below_the_plan_is_out_of_memory(images):
    """Half of the raw bytes can never do."""
    plan = plan_training(SMALL)
    with pytest.raises(MemoryLimitError):
        planned_on_gpu(
            Trainer(SMALL, images).model, plan, capacity_bytes=plan.peak_bytes // 2, cuda=Hopper
        )


@pytest.mark.parametrize("context", [None, 500])
def test_the_context_is_counted_if_it_is_known(context):
    """Tensors 100, rounding 1, workspace 20, cached 300: allocated 121, reserved 421."""
    counters = gpu_counters(GpuMemory(100, 1, 20, 300, context))
    assert counters["planned_allocated_bytes"] == 121
    assert counters["planned_reserved_bytes"] == 421
    known = {"planned_context_bytes": 500, "planned_device_used_bytes": 921}
    assert {name: counters.get(name) for name in known} == (
        known if context else dict.fromkeys(known)
    )


@pytest.mark.parametrize("changes", [{"optimizer": "sgd"}, {"batch_size": 9}, {"width": 5}])
def test_the_plan_of_something_else_is_off(changes, memory):
    """Equality means something: one image, one channel or a state less is far from equal."""
    other = plan_training(replace(SMALL, images=0, **changes)).peak_bytes
    assert abs(other / memory.tracked.peak_bytes - 1) > 0.01
