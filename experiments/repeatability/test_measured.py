"""The work under the fixture `measure`."""

import pytest
from work import WORK


@pytest.mark.parametrize("make", WORK, ids=lambda make: make.__name__)
def test_work(measure, make):
    """One case of the small suite."""
    measure(make())
