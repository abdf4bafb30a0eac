"""C2, C3, C4: breakdown of an epoch's time, and the best number of loader workers."""

import os

import pytest

from hpml_lab.labs.cost import epochs_work
from hpml_lab.training.loader import worker_counts
from hpml_lab.training.trainer import Trainer

PROCESSORS = len(os.sched_getaffinity(0))


@pytest.mark.hpml_work(by=lambda training, profile: epochs_work(training, profile.epochs + 1))
@pytest.mark.benchmark(group="workers")
@pytest.mark.hpml_axes(workers=worker_counts(PROCESSORS))
def test_epoch(measure, training, profile):
    """Every epoch trains on all images, and its parts add up to its time."""
    trainer = Trainer(training)
    epochs = measure.epochs(trainer, rounds=profile.epochs)
    assert all(epoch.parts is not None and epoch.gap <= 0.02 for epoch in epochs)
    assert {epoch.samples for epoch in epochs} == {len(trainer.loader.dataset)}
