"""C7: the network with batch norm and without any."""

import pytest

from hpml_lab.workloads.trainer import Trainer
from hpml_lab.workloads.work import epochs_work


@pytest.mark.hpml_work(by=lambda training, profile: epochs_work(training, profile.epochs))
@pytest.mark.benchmark(group="batch_norm")
@pytest.mark.hpml_axes(batch_norm=[True, False])
def test_epochs(measure, training, profile):
    """Both end with a finite loss after as many epochs as the lab asks for."""
    epochs = measure.epochs(Trainer(training), rounds=profile.epochs - 1, timing="throughput")
    assert [epoch.index for epoch in epochs] == [1, 2, 3, 4, 5]
