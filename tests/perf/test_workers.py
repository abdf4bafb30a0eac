"""C2, C3, C4: where an epoch's time goes, and how many loader workers it needs."""

import os

import pytest

from hpml_lab.workloads.loading import worker_counts
from hpml_lab.workloads.trainer import Trainer
from hpml_lab.workloads.work import epochs_work

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
