"""How fast the tagger trains and how fast its sentences come; nothing else is needed."""

import pytest
from tagger import Tagger, loader, optimizer
from torch.nn.functional import cross_entropy

from hpml_lab.workloads.step import TrainingStep


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_step(measure, precision):
    """One step of the optimizer on one batch."""
    model = Tagger()
    batch = next(iter(loader()))
    measure(TrainingStep(model, optimizer(model), cross_entropy, batch, precision=precision))


@pytest.mark.parametrize("workers", [0, 1])
def test_loading(measure, workers):
    """All batches of an epoch, without training on them."""
    batches = loader(workers)
    measure(lambda: sum(1 for _ in batches), samples=len(batches.dataset))
