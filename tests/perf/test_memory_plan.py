"""GPU-memory lab, sections 2 and 3: whether a training step takes the memory that was planned."""

from dataclasses import replace

import pytest

from hpml_lab.measure.context import context_bytes
from hpml_lab.measure.cpu_memory import cpu_peak
from hpml_lab.measure.memory import step_memory
from hpml_lab.measure.out_of_memory import give_back
from hpml_lab.measure.planned import gpu_counters, planned_memory, planned_on_gpu
from hpml_lab.measure.timelines import backward_peak_bytes
from hpml_lab.workloads.convolutions import largest_copies_bytes
from hpml_lab.workloads.networks import LAB_WIDTH
from hpml_lab.workloads.optimizer_state import optimizer_state
from hpml_lab.workloads.trainer import Trainer
from hpml_lab.workloads.work import steps_work

LAB_BATCH = 8
STEPS = 12  # watched, measured and counted ones
TENSORS = 1e-4  # the largest share by which a plan of tensors may be off
CUBLASLT = 2**20  # the workspace of matrix products with a bias, in torch before 2.15
# Bytes kept for the backward pass, for each image and once, with batch norm and without: outputs
# of convolutions (two copies with batch norm), inputs of the head, and what batch norm remembers.
KEPT = {True: (4_687_912, 38_400), False: (2_230_312, 0)}


def work(training, profile):
    """Returns what a case does: a few steps, of the largest network and images that it may have."""
    batch = min(training.batch_size, profile.batch_images)
    largest = replace(training, network="resnet18", image=profile.batch_image, batch_size=batch)
    return steps_work(largest, STEPS)


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
        on_gpu = gpu_counters(
            planned_on_gpu(trainer.model, found.planned, context_bytes=context_bytes())
        )
        measure.memory |= on_gpu | step_memory(step, "cuda")
        copies = largest_copies_bytes(trainer.model, step.batch[0].shape)
        measure.counters["largest_copies_bytes"] = copies
        beyond = measure.memory["peak_allocated_bytes"] - on_gpu["planned_allocated_bytes"]
        assert 0 <= beyond <= copies + CUBLASLT
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


@pytest.mark.hpml_once
@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="memory_plan")
@pytest.mark.hpml_axes(optimizer=["sgd", "sgd-momentum", "adam"])
def test_optimizers(measure, training, profile):
    """ResNet-152 at the lab's batch: the state is exact, and the first step cannot show it."""
    image = profile.memory_image
    training = profile.sized(training, network="resnet152", image=image, batch_size=LAB_BATCH)
    measure.timelines |= check(measure, training).timelines


@pytest.mark.hpml_once
@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="memory_plan")
@pytest.mark.hpml_axes(batch_norm=[True, False])
def test_batch_norm(measure, training, profile):
    """Without batch norm the HPML lab's network keeps 2.13 MiB an image instead of 4.47."""
    training = profile.sized(training, width=LAB_WIDTH, batch_size=profile.memory_batch)
    found = check(measure, training)
    measure.timelines |= found.timelines
    each, once = KEPT[training.batch_norm]
    kept = found.counters["tracked_activations_bytes"]
    assert kept == pytest.approx(training.batch_size * each + once, rel=TENSORS)


@pytest.mark.hpml_once
@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="memory_plan")
@pytest.mark.hpml_axes(batch_size=[4, 16, 64, 256, 1024])
def test_batches(measure, training, profile):
    """The lab's batch sizes, with momentum."""
    if training.batch_size > profile.batch_images:
        pytest.skip(f"profile {profile.name} goes up to a batch of {profile.batch_images}")
    network, image = profile.batch_network, profile.batch_image
    check(measure, profile.sized(training, network=network, image=image))
