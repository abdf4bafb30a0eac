"""C6: five optimizers at the lab's learning rate: time, loss and accuracy by epoch."""

import pytest

from hpml_lab.workloads.trainer import Trainer
from hpml_lab.workloads.work import epochs_work


@pytest.mark.hpml_work(by=lambda training, profile: epochs_work(training, profile.epochs))
@pytest.mark.benchmark(group="optimizers")
@pytest.mark.hpml_axes(optimizer=["sgd-momentum", "nesterov", "adagrad", "adadelta", "adam"])
def test_epochs(measure, training, profile):
    """Every optimizer ends with a finite loss after as many epochs as the lab asks for."""
    epochs = measure.epochs(Trainer(training), rounds=profile.epochs - 1, timing="throughput")
    assert [epoch.index for epoch in epochs] == [1, 2, 3, 4, 5]
