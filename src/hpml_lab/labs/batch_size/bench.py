"""Throughput of a training step in images per second, by batch size."""

from dataclasses import replace

import pytest

from hpml_lab.labs.cost import steps_work
from hpml_lab.measure.counters import network_counters
from hpml_lab.training.trainer import Trainer

STEPS = 100  # about as many as a budget of one second, warm-up and counting take


@pytest.mark.hpml_work(by=lambda training: steps_work(training, STEPS))
@pytest.mark.benchmark(group="batch_size")
@pytest.mark.hpml_axes(batch_size=[16, 64, 256, 1024])
def test_step(measure, training):
    """A step trains on a whole batch that is on the device."""
    trainer = Trainer(replace(training, workers=0, images=training.batch_size))
    measure.describe(trainer)
    step = trainer.fixed_step()
    measure(step)
    measure.counters |= network_counters(trainer.model, step.batch[0].shape[1:], training.precision)
    assert step.samples == training.batch_size
