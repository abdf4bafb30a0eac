"""The timeline of any batch from those of three, and when that is not possible."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.errors import InputError
from hpml_lab.memory.largest_batch import Batches, line
from hpml_lab.memory.timeline import Recorder

LINES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**4)), min_size=1, max_size=8)
BATCHES = st.integers(1, 5000)


def step(sizes, asked=None):
    """Returns a plan whose blocks have these sizes of a batch and are all alive at its end."""

    def plan(batch):
        if asked is not None:
            asked.append(batch)
        recorder = Recorder()
        blocks = [recorder.allocate(size(batch), "activations") for size in sizes]
        for block in blocks:
            recorder.free(block)
        return recorder.timeline()

    return plan


def affine(lines):
    """Returns sizes of a + b N bytes."""
    return [lambda batch, a=a, b=b: a + b * batch for a, b in lines]


@given(LINES, BATCHES, BATCHES)
def test_a_computed_timeline_is_the_planned_one(lines, first, then):
    """Event by event, whatever the lines and the batches; three plans are all that is asked for."""
    asked = []
    timelines = Batches(step(affine(lines), asked))
    timelines(first)
    for batch in (then, then + 1, 2 * then):
        assert timelines(batch) == step(affine(lines))(batch)
    assert len(asked) == len(set(asked))
    assert len({*asked} - {1}) <= 3


@pytest.mark.parametrize(
    "size",
    [
        lambda batch: batch * batch,
        lambda batch: 4 * batch * batch + 10 * batch,
        lambda batch: -(-batch // 32) * 128,
        lambda batch: 512 if batch < 8 else 4 * batch,
    ],
    ids=["square", "square and line", "rounded up", "bent"],
)
@pytest.mark.parametrize("first", [1, 8, 16, 100, 128])
def test_what_is_no_line_is_planned_each_time(size, first):
    """Losses over all pairs, rounding, another algorithm for few samples: no wrong number."""
    plan = step([lambda batch: 8 * batch, size])
    timelines = Batches(plan)
    for batch in (first, 3, 64, 1000):
        assert timelines(batch) == plan(batch)


def test_steps_of_other_events_are_no_line():
    """A batch that is cut into parts has one more block for each."""
    plan = step(affine([(0, 4)]))
    longer = step(affine([(0, 4), (0, 4)]))
    assert line(2, plan(2), 67, longer(67)) is None


def test_a_proof_that_cannot_be_taken_loses_no_batch():
    """Only multiples of eight can be planned: neither 2 nor 67 can, and 64 and 80 are right."""
    plan = step(affine([(10, 4)]))

    def picky(batch):
        if batch % 8:
            raise InputError("give a multiple of 8")
        return plan(batch)

    timelines = Batches(picky)
    assert [timelines(batch) for batch in (16, 64, 80)] == [plan(16), plan(64), plan(80)]
    with pytest.raises(InputError, match="multiple of 8"):
        timelines(12)


def test_one_sample_is_planned_by_itself():
    """Where the samples of a view are no row, two are copied and one is not: three events more."""
    usual, single = step(affine([(0, 4), (8, 4)])), step(affine([(0, 4)]))

    def plan(batch):
        return single(batch) if batch == 1 else usual(batch)

    timelines = Batches(plan)
    for batch in (32, 64, 1, 128, 1):
        assert timelines(batch) == plan(batch)
