"""How fast the language model trains; the same function is planned by `hpml-lab predict`."""

import pytest
from training import training


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_step(measure, precision):
    """One step of the optimizer on one batch."""
    measure(training(precision=precision))
