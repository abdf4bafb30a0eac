"""Q1 to Q4 and the memory of optimizers: Adam > SGD with momentum > SGD, by whole copies."""

from dataclasses import replace

import pytest

from hpml_lab.labs.cost import steps_work
from hpml_lab.labs.memory import BATCH
from hpml_lab.measure.counters import network_counters
from hpml_lab.measure.out_of_memory import release_cached_memory
from hpml_lab.memory.readings import cuda_peak
from hpml_lab.theory.optimizers import counter_bytes, state_bytes
from hpml_lab.training.networks import LAB_WIDTH
from hpml_lab.training.optimizers import optimizer_state, theory_name
from hpml_lab.training.trainer import Trainer

STEPS = 100  # about as many as a budget of one second, warm-up and counting take
COPIES = {"sgd": 0, "sgd-momentum": 1, "adam": 2}


@pytest.fixture
def trainer(training, profile):
    """A trainer of the lab's own network, on one batch."""
    batch = BATCH[profile.name]
    return Trainer(replace(training, width=LAB_WIDTH, batch_size=batch, images=batch, workers=0))


@pytest.mark.hpml_once
@pytest.mark.hpml_work(by=lambda training: steps_work(training, STEPS))
@pytest.mark.benchmark(group="memory")
@pytest.mark.hpml_axes(optimizer=list(COPIES))
def test_step(measure, trainer):
    """The bytes of the optimizer's state equal the closed form."""
    step = trainer.fixed_step()
    measure.describe(trainer)
    measure(step)
    state = optimizer_state(trainer.optimizer)
    name, momentum = theory_name(trainer.training.optimizer)
    shapes = [parameter.shape for parameter in trainer.model.parameters()]
    assert state["optimizer_state_bytes"] == state_bytes(name, shapes, momentum=momentum)
    assert state["step_counter_bytes"] == counter_bytes(name, shapes)
    measure.counters |= state | network_counters(
        trainer.model, step.batch[0].shape[1:], trainer.training.precision
    )
    if trainer.training.device == "cuda":
        measure.memory |= cuda_peak(step)


@pytest.mark.benchmark(group="memory")
@pytest.mark.hpml_axes(optimizer=["sgd"])
def test_order(training, trainer):
    """Momentum adds exactly one copy of the parameters and Adam two.

    On CUDA this holds for requested bytes, but not for allocated ones: the allocator does not split
    a block if 1 MiB or less of it would remain.
    """
    steps = {name: trainer_with(trainer, name) for name in COPIES}
    copy = 4 * sum(p.numel() for p in trainer.model.parameters())
    assert {name: state for name, (state, _) in steps.items()} == {
        name: copies * copy for name, copies in COPIES.items()
    }
    if training.device == "cuda":
        peaks = {name: peak for name, (_, peak) in steps.items()}
        assert {name: peak - peaks["sgd"] for name, peak in peaks.items()} == {
            name: copies * copy for name, copies in COPIES.items()
        }


def trainer_with(trainer, optimizer):
    """Returns the state bytes and CUDA peak bytes (None on the CPU) with another optimizer."""
    release_cached_memory()
    other = Trainer(replace(trainer.training, optimizer=optimizer))
    step = other.fixed_step()
    step()
    peak = cuda_peak(step) if other.training.device == "cuda" else None
    return (
        optimizer_state(other.optimizer)["optimizer_state_bytes"],
        peak and peak["peak_requested_bytes"],
    )
