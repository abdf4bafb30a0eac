"""The largest batch that fits, for timelines made up so that the answer is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.errors import InputError
from hpml_lab.memory.largest_batch import largest_batch
from hpml_lab.memory.timeline import Recorder

LINES = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 50)), min_size=1, max_size=6)


def planner(lines, asked=None, category="activations"):
    """Returns a plan with one block after the other, of a + b N bytes each."""

    def plan(batch):
        recorder = Recorder()
        for fixed, one in lines:
            recorder.free(recorder.allocate(fixed + one * batch, category))
        if asked is not None:
            asked.append(batch)
        return recorder.timeline()

    return plan


@given(LINES, st.integers(0, 100_000))
def test_it_is_the_largest(lines, limit):
    """Whatever the lines, what is found fits and the next batch does not, in four plans."""
    lines = [*lines, (0, 1)]
    asked = []
    if max(fixed + one for fixed, one in lines) > limit:
        with pytest.raises(InputError, match="one sample needs"):
            largest_batch(planner(lines), limit)
        return
    expected = min((limit - fixed) // one for fixed, one in lines if one)
    assert largest_batch(planner(lines, asked), limit) == expected
    assert len(asked) <= 4


def test_another_moment_may_be_the_fullest_one():
    """100 + N is the peak of the probes, 10 N that of the answer: 1000 bytes hold 100."""
    asked = []
    assert largest_batch(planner([(100, 1), (0, 10)], asked), 1000) == 100
    assert asked == [2, 4, 100, 101]


@given(st.integers(1, 20_000), st.integers(1, 40))
def test_a_bent_line_is_searched(limit, bend):
    """Plans whose events change with the batch, and memory that jumps, still give the largest."""

    def plan(batch):
        blocks = [(0, 3)] * (1 + batch // bend)
        return planner([(0, 3 * batch), *blocks])(batch)

    if plan(1).peak_bytes > limit:
        return
    result = largest_batch(plan, limit)
    assert plan(result).peak_bytes <= limit < plan(result + 1).peak_bytes


def test_one_sample_may_be_the_most():
    """Two do not fit, one does."""
    assert largest_batch(planner([(0, 10)]), 19) == 1


def test_too_little_memory_says_what_is_needed():
    """The error names the parts of what one sample needs."""
    plan = planner([(2**20, 2**20)], category="parameters")
    needed = r"needs 2.00 MiB \(2.00 MiB parameters\), and 1.00 MiB are there; give more memory"
    with pytest.raises(InputError, match=needed):
        largest_batch(plan, 2**20)


def test_memory_that_does_not_grow_has_no_largest_batch():
    """Without an end there is no answer."""
    with pytest.raises(InputError, match="does not grow with the batch"):
        largest_batch(planner([(10, 0)]), 100)


def test_memory_that_stops_growing_has_no_largest_batch():
    """A step on the first 64 samples at most grows from 2 to 4 and never fills the memory."""

    def plan(batch):
        return planner([(10, 1)])(min(batch, 64))

    with pytest.raises(InputError, match="does not grow with the batch"):
        largest_batch(plan, 1000)


@pytest.mark.parametrize("limit", [-1, 1.5])
def test_a_limit_is_a_number_of_bytes(limit):
    """Anything but a whole number is refused."""
    with pytest.raises(InputError, match="limit_bytes is"):
        largest_batch(planner([(0, 1)]), limit)
