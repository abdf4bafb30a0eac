"""C7: the network with and without batch norm."""

import pytest

from hpml_lab.labs.learning import SEEDS
from hpml_lab.labs.optimizers.bench import measure_epochs, work


@pytest.mark.hpml_once  # repeated by its seeds
@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="batch_norm")
@pytest.mark.hpml_axes(batch_norm=[True, False], seed=SEEDS)
def test_epochs(measure, training, profile):
    """Both networks have a finite loss after the lab's number of epochs."""
    measure_epochs(measure, training, profile)
