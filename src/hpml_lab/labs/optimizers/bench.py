"""C6: five optimizers at the lab's learning rate: time, loss and accuracy by epoch."""

import pytest

from hpml_lab.labs.cost import epochs_work
from hpml_lab.labs.learning import QUICK, SEEDS
from hpml_lab.training.trainer import Trainer


def sized(training, profile):
    """Returns the training of a case at the sizes of its profile."""
    return profile.sized(training, **QUICK) if profile.name == "quick" else training


def work(training, profile):
    """Returns what a case does."""
    return epochs_work(sized(training, profile), profile.epochs)


def measure_epochs(measure, training, profile):
    """Times the lab's number of epochs."""
    trainer = Trainer(sized(training, profile))
    epochs = measure.epochs(trainer, rounds=profile.epochs - 1, timing="throughput")
    assert [epoch.index for epoch in epochs] == [1, 2, 3, 4, 5]


@pytest.mark.hpml_once  # repeated by its seeds
@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="optimizers")
@pytest.mark.hpml_axes(
    optimizer=["sgd-momentum", "nesterov", "adagrad", "adadelta", "adam"], seed=SEEDS
)
def test_epochs(measure, training, profile):
    """Every optimizer has a finite loss after the lab's number of epochs."""
    measure_epochs(measure, training, profile)
