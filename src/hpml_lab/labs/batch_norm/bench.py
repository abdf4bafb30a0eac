"""C7: the network with and without batch norm."""

import pytest

from hpml_lab.labs.cost import epochs_work
from hpml_lab.labs.learning import QUICK, SEEDS
from hpml_lab.training.trainer import Trainer


def sized(training, profile):
    """Returns the training of a case at the sizes of its profile."""
    return profile.sized(training, **QUICK) if profile.name == "quick" else training


def work(training, profile):
    """Returns what a case does."""
    taken = training.seed < SEEDS[profile.name]
    return epochs_work(sized(training, profile), profile.epochs if taken else 0)


@pytest.mark.hpml_once  # repeated by its seeds
@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="batch_norm")
@pytest.mark.hpml_axes(batch_norm=[True, False], seed=[0, 1, 2])
def test_epochs(measure, training, profile):
    """Both networks have a finite loss after the lab's number of epochs."""
    if training.seed >= SEEDS[profile.name]:
        pytest.skip(f"profile {profile.name} has {SEEDS[profile.name]} seed")
    trainer = Trainer(sized(training, profile))
    epochs = measure.epochs(trainer, rounds=profile.epochs - 1, timing="throughput")
    assert [epoch.index for epoch in epochs] == [1, 2, 3, 4, 5]
