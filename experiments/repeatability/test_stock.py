"""The same work under pytest-benchmark's own fixture."""

import pytest
from work import WORK


@pytest.mark.parametrize("make", WORK, ids=lambda make: make.__name__)
def test_work(benchmark, make):
    """One case of the small suite."""
    benchmark(make())
