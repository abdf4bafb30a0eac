"""GPU-memory lab, sections 2 and 3: whether a training step takes the memory that was planned."""

import functools
from dataclasses import replace

import pytest

from hpml_lab.measure.context import context_bytes
from hpml_lab.measure.cpu_memory import cpu_peak
from hpml_lab.measure.memory import step_memory
from hpml_lab.measure.out_of_memory import give_back
from hpml_lab.measure.planned import gpu_counters, planned_memory, planned_on_gpu
from hpml_lab.measure.timelines import backward_peak_bytes
from hpml_lab.workloads.networks import LAB_WIDTH
from hpml_lab.workloads.optimizer_state import optimizer_state
from hpml_lab.workloads.trainer import Trainer

LAB_BATCH = 8
TENSORS, DEVICE = 1e-4, 0.01  # the largest share by which a plan may be off
# Bytes kept for the backward pass, for each image and once, with batch norm and without: outputs
# of convolutions (two copies with batch norm), inputs of the head, and what batch norm remembers.
KEPT = {True: (4_687_912, 38_400), False: (2_230_312, 0)}


context = functools.cache(context_bytes)  # a fresh process each time


def check(measure, training):
    """Holds a step against its plan and keeps both."""
    give_back()
    plain = {"optimizer_settings": "default", "transforms": "plain", "workers": 0}
    trainer = Trainer(replace(training, images=training.batch_size, **plain))
    measure.describe(trainer)
    found = planned_memory(trainer)
    step = trainer.fixed_step()
    measure(step, rounds=1)
    measure.counters |= found.counters
    if training.device == "cuda":
        on_gpu = gpu_counters(planned_on_gpu(trainer.model, found.planned, context_bytes=context()))
        measure.memory |= on_gpu | step_memory(step, "cuda")
        allocated = measure.memory["peak_allocated_bytes"]
        assert allocated == pytest.approx(on_gpu["planned_allocated_bytes"], rel=DEVICE)
    else:
        measure.memory |= cpu_peak(step, 1)
    check_tensors(found, optimizer_state(trainer.optimizer)["optimizer_state_bytes"])
    return found


def check_tensors(found, state):
    """Holds raw bytes against their plan."""
    assert found.tracked.peak_bytes == pytest.approx(found.planned.peak_bytes, rel=TENSORS)
    assert found.counters["planned_optimizer_state_bytes"] == state
    # The state comes with the first update, too late for that step's backward pass.
    assert backward_peak_bytes(found.tracked) - backward_peak_bytes(found.first) == state


@pytest.mark.once
@pytest.mark.benchmark(group="memory_plan")
@pytest.mark.axes(optimizer=["sgd", "sgd-momentum", "adam"])
def test_optimizers(measure, training, profile):
    """ResNet-152 at the lab's batch: the state is exact, and the first step cannot show it."""
    image = profile.memory_image
    training = profile.sized(training, network="resnet152", image=image, batch_size=LAB_BATCH)
    measure.timelines |= check(measure, training).timelines


@pytest.mark.once
@pytest.mark.benchmark(group="memory_plan")
@pytest.mark.axes(batch_norm=[True, False])
def test_batch_norm(measure, training, profile):
    """Without batch norm the HPML lab's network keeps 2.13 MiB an image instead of 4.47."""
    training = profile.sized(training, width=LAB_WIDTH, batch_size=profile.memory_batch)
    found = check(measure, training)
    measure.timelines |= found.timelines
    each, once = KEPT[training.batch_norm]
    kept = found.counters["tracked_activations_bytes"]
    assert kept == pytest.approx(training.batch_size * each + once, rel=TENSORS)


@pytest.mark.once
@pytest.mark.benchmark(group="memory_plan")
@pytest.mark.axes(batch_size=[4, 16, 64, 256, 1024])
def test_batches(measure, training, profile):
    """The lab's batch sizes, with momentum."""
    if training.batch_size > profile.batch_images:
        pytest.skip(f"profile {profile.name} goes up to a batch of {profile.batch_images}")
    network, image = profile.batch_network, profile.batch_image
    check(measure, profile.sized(training, network=network, image=image))
