"""C2, C3, C4: breakdown of an epoch's time, and the best number of loader workers."""

import os

import pytest

from hpml_lab.labs.cost import epochs_work
from hpml_lab.labs.workers import EPOCHS
from hpml_lab.training.loader import fewer_threads, worker_counts
from hpml_lab.training.trainer import Trainer

PROCESSORS = len(os.sched_getaffinity(0))


def work(training, profile):
    """Returns what a case does; the first epoch warms up."""
    return epochs_work(training, EPOCHS[profile.name] + 1)


@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="workers")
@pytest.mark.hpml_axes(workers=worker_counts(PROCESSORS))
def test_epoch(measure, training, profile):
    """Every epoch trains on all images, and its parts add up to its time."""
    check_epochs(measure, training, profile)


@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="workers")
@pytest.mark.hpml_axes(
    device=["cpu"], workers=worker_counts(PROCESSORS), threads=fewer_threads(PROCESSORS)
)
def test_epoch_of_fewer_threads(measure, training, profile):
    """The same where an operator leaves processors to the workers."""
    check_epochs(measure, training, profile)


def check_epochs(measure, training, profile):
    """Measures epochs and checks their parts."""
    trainer = Trainer(training)
    epochs = measure.epochs(trainer, rounds=EPOCHS[profile.name])
    assert all(epoch.parts is not None and epoch.gap <= 0.02 for epoch in epochs)
    assert {epoch.samples for epoch in epochs} == {len(trainer.loader.dataset)}
