"""A timeline: events in, live bytes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.errors import InputError
from hpml_lab.memory.timeline import Recorder, Timeline


@pytest.fixture
def recorder():
    """A step by hand: 100 bytes stay, 30 are saved, 50 pass by, 20 become a gradient."""
    recorder = Recorder()
    recorder.allocate(100, "parameters")
    recorder.phase, recorder.layer = "forward", "fc"
    saved = recorder.allocate(30)
    passing = recorder.allocate(50)
    recorder.free(passing)
    recorder.keep_activations()
    recorder.phase = "backward"
    gradient = recorder.allocate(20)
    recorder.free(saved)
    recorder.label(gradient, "gradients")
    recorder.phase, recorder.layer = "optimizer", ""
    recorder.free(recorder.allocate(7))
    return recorder


def test_totals_are_the_running_sum_of_the_events(recorder):
    """100, 130, 180, 130, 150, 120, 127, 120 bytes."""
    assert recorder.timeline().totals == [100, 130, 180, 130, 150, 120, 127, 120]


def test_the_peak_says_when_and_what(recorder):
    """180 bytes in the forward pass of fc; what passes by is a temporary."""
    peak = recorder.timeline().peak
    assert (peak.phase, peak.layer, peak.total_bytes) == ("forward", "fc", 180)
    alive = {name: size for name, size in peak.live_bytes.items() if size}
    assert alive == {"parameters": 100, "activations": 30, "temporaries": 50}


def test_a_label_holds_for_the_whole_life_of_a_block(recorder):
    """The gradient is one from the moment it was allocated."""
    held = [moment.live_bytes["gradients"] for moment in recorder.timeline().moments()]
    assert held == [0, 0, 0, 0, 20, 20, 20, 20]


def test_what_a_phase_leaves_is_counted_at_its_end(recorder):
    """30 bytes of activations behind the forward pass, none behind the backward pass."""
    timeline = recorder.timeline()
    assert timeline.held_bytes("activations", "forward") == 30
    assert timeline.held_bytes("activations", "backward") == 0
    assert timeline.held_bytes("gradients", "optimizer") == 20


def test_an_outline_has_the_fullest_moment_of_each_visit(recorder):
    """Four visits: before, fc forward, fc backward, the optimizer."""
    outline = recorder.timeline().outline()
    assert [(m.phase, m.layer, m.total_bytes) for m in outline] == [
        ("before", "", 100),
        ("forward", "fc", 180),
        ("backward", "fc", 150),
        ("optimizer", "", 127),
    ]


def test_a_block_is_freed_once(recorder):
    """A second release of the same block changes nothing."""
    before = recorder.timeline()
    recorder.free(1)
    assert recorder.timeline() == before


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda t: t.held_bytes("weights", "forward"), "unknown category 'weights'; choose one of"),
        (lambda t: t.held_bytes("input", "loss"), "unknown phase 'loss'; choose one of: backward"),
        (lambda _: Timeline((), ()).peak, "the timeline has no events; record a step first"),
        (lambda _: Recorder().allocate(-1), "size_bytes is -1; it must be a whole number, 0"),
    ],
)
def test_what_is_not_there_is_refused(recorder, attempt, message):
    """Unknown names, an empty timeline and negative sizes are one line each."""
    with pytest.raises(InputError, match=message):
        attempt(recorder.timeline())


@given(st.permutations(range(6)))
def test_releases_in_a_row_are_in_the_order_of_their_blocks(order):
    """A hash table's order, another one each time, is not in a timeline."""
    recorder = Recorder()
    blocks = [recorder.allocate(8) for _ in range(6)]
    for block in order:
        recorder.free(block)
    assert [event.block for event in recorder.timeline().events] == [*blocks, *blocks]
