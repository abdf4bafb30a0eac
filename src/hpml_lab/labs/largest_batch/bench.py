"""GPU-memory lab, section 3: the largest batch that fits, predicted and verified by running it."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from hpml_lab.errors import MemoryLimitError
from hpml_lab.labs.batch_learning import SIZES as BATCHES
from hpml_lab.labs.largest_batch import LIMIT_BYTES
from hpml_lab.measure.out_of_memory import largest_running_batch, release_cached_memory
from hpml_lab.memory.compared import planned_on_gpu
from hpml_lab.memory.largest_batch import largest_batch
from hpml_lab.memory.trace import track
from hpml_lab.memory.training_plan import plan_training
from hpml_lab.theory.duration import Work
from hpml_lab.training.trainer import Trainer

STEPS = 2  # at the peak of the first step there is no optimizer state
ON_CUDA = 20  # a prediction may be off by one part in 20: cuDNN uses the memory that is free


def with_batch(training, batch):
    """Returns the training on a single batch of this size."""
    return replace(training, batch_size=batch, images=batch)


def planned_batch(training, limit):
    """Returns the largest batch whose predicted memory fits into a limit in bytes."""
    batch = largest_batch(lambda batch: plan_training(with_batch(training, batch)), limit)
    if training.device == "cuda":
        model = Trainer(with_batch(training, 2)).model
        while not fits_on_gpu(model, plan_training(with_batch(training, batch)), limit):
            batch -= 1
    return batch


def fits_on_gpu(model, plan, limit):
    """Whether the allocator can serve the predicted step within a limit in bytes."""
    try:
        planned_on_gpu(model, plan, capacity_bytes=limit)
    except MemoryLimitError:
        return False
    return True


@contextmanager
def limited(training, limit):
    """Yields a function that runs a step under a memory limit in bytes."""
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
    """On the CPU the predicted batch runs and the next one does not; on CUDA within 5 %."""
    training = profile.sized(
        training, network=BATCHES[profile.name].network, image=BATCHES[profile.name].image
    )
    plain = {"optimizer_settings": "default", "transforms": "plain", "workers": 0}
    training = replace(training, **plain)
    limit = LIMIT_BYTES[profile.name]
    release_cached_memory()
    planned = planned_batch(training, limit)
    slack = planned // ON_CUDA if training.device == "cuda" else 0
    with limited(training, limit) as take:

        def run(batch):
            step = Trainer(with_batch(training, batch)).fixed_step()
            for _ in range(STEPS):
                take(step)

        search = largest_running_batch(run, sorted({planned - slack, planned, planned + slack + 1}))
        assert search.largest is not None, search.out_of_memory
        trainer = Trainer(with_batch(training, search.largest))
        measure.describe(trainer)
        step = trainer.fixed_step()
        measure(step, rounds=3)
    assert search.failed is not None
    measure.counters |= {"largest_batch": search.largest, "failed_batch": search.failed}
    measure.counters |= {"planned_largest_batch": planned, "limit_bytes": limit}
    assert search.largest >= planned - slack
