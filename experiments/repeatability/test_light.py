"""The light work under the fixture `measure`."""

import pytest
from light_work import WORK


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
def test_work(measure, work):
    """One case of the small suite."""
    measure(work)
