"""How many images a second a training step works on, by batch size."""

from dataclasses import replace

import pytest

from hpml_lab.measure.counters import network_counters
from hpml_lab.workloads.trainer import Trainer
from hpml_lab.workloads.work import steps_work

STEPS = 100  # about what a second's budget, the warm-up and counting take


@pytest.mark.hpml_work(by=lambda training: steps_work(training, STEPS))
@pytest.mark.benchmark(group="batch_size")
@pytest.mark.hpml_axes(batch_size=[16, 64, 256, 1024])
def test_step(measure, training):
    """A step works on a whole batch that lies on the device."""
    trainer = Trainer(replace(training, workers=0, images=training.batch_size))
    measure.describe(trainer)
    step = trainer.fixed_step()
    measure(step)
    measure.counters |= network_counters(trainer.model, step.batch[0].shape[1:], training.precision)
    assert step.samples == training.batch_size
