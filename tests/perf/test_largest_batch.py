"""GPU-memory lab, section 3: the largest batch that fits, planned and then proved by running it."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from hpml_lab.errors import MemoryLimitError
from hpml_lab.measure.out_of_memory import give_back, largest_running_batch
from hpml_lab.measure.planned import planned_on_gpu
from hpml_lab.theory.duration import Work
from hpml_lab.theory.largest_batch import largest_batch
from hpml_lab.workloads.allocations import track
from hpml_lab.workloads.trainer import Trainer
from hpml_lab.workloads.training_plan import plan_training

STEPS = 2  # the first has no optimizer state at its peak
ON_CUDA = 20  # a plan may be off by one part in so many: cuDNN takes what room it finds


def of(training, batch):
    """Returns the training on one batch of so many images."""
    return replace(training, batch_size=batch, images=batch)


def planned_batch(training, limit):
    """Returns the largest batch whose plan fits into so many bytes."""
    batch = largest_batch(lambda batch: plan_training(of(training, batch)), limit)
    if training.device == "cuda":
        model = Trainer(of(training, 2)).model
        while not fits_on_gpu(model, plan_training(of(training, batch)), limit):
            batch -= 1
    return batch


def fits_on_gpu(model, plan, limit):
    """Returns whether the allocator can serve the planned step within so many bytes."""
    try:
        planned_on_gpu(model, plan, capacity_bytes=limit)
    except MemoryLimitError:
        return False
    return True


@contextmanager
def limited(training, limit):
    """Yields how to take a step where no more than so many bytes can be had."""
    if training.device == "cpu":
        yield lambda step: track(step, limit)
        return
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(limit / total)
    try:
        yield lambda step: step()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.hpml_once
@pytest.mark.hpml_work(by=lambda: Work(seconds=8))  # three batches, two steps each, and planning
@pytest.mark.benchmark(group="largest_batch")
@pytest.mark.hpml_axes(optimizer=["sgd", "sgd-momentum", "adam"])
def test_largest_batch(measure, training, profile):
    """On the CPU the planned batch runs and the next one does not; on CUDA within 5 %."""
    training = profile.sized(training, network=profile.batch_network, image=profile.batch_image)
    plain = {"optimizer_settings": "default", "transforms": "plain", "workers": 0}
    training = replace(training, **plain)
    limit = profile.memory_limit_bytes
    give_back()
    planned = planned_batch(training, limit)
    slack = planned // ON_CUDA if training.device == "cuda" else 0
    with limited(training, limit) as take:

        def run(batch):
            step = Trainer(of(training, batch)).fixed_step()
            for _ in range(STEPS):
                take(step)

        found = largest_running_batch(run, sorted({planned - slack, planned, planned + slack + 1}))
        assert found.largest is not None, found.out_of_memory
        trainer = Trainer(of(training, found.largest))
        measure.describe(trainer)
        step = trainer.fixed_step()
        measure(step, rounds=3)
    assert found.failed is not None
    measure.counters |= {"largest_batch": found.largest, "failed_batch": found.failed}
    measure.counters |= {"planned_largest_batch": planned, "limit_bytes": limit}
    assert found.largest >= planned - slack
