"""C7: the network with and without batch norm."""

import pytest

from hpml_lab.labs.cost import epochs_work
from hpml_lab.training.trainer import Trainer


@pytest.mark.hpml_work(by=lambda training, profile: epochs_work(training, profile.epochs))
@pytest.mark.benchmark(group="batch_norm")
@pytest.mark.hpml_axes(batch_norm=[True, False])
def test_epochs(measure, training, profile):
    """Both networks have a finite loss after the lab's number of epochs."""
    epochs = measure.epochs(Trainer(training), rounds=profile.epochs - 1, timing="throughput")
    assert [epoch.index for epoch in epochs] == [1, 2, 3, 4, 5]
