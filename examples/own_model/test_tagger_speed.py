"""How fast the tagger trains and how long it waits for its sentences; nothing else is needed."""

import pytest
from tagger import training


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_step(measure, precision):
    """One step on one batch, and a pass over the loader."""
    measure(training(precision=precision))


@pytest.mark.parametrize("workers", [0, 1])
def test_workers(measure, workers):
    """The same with workers that load."""
    measure(training(workers=workers))
