"""What a saved run keeps of a timeline, from one that was written by hand."""

import pytest

from hpml_lab.memory.compared import backward_peak_bytes, condensed, sizes
from hpml_lab.memory.timeline import CATEGORIES, Recorder
from hpml_lab.runs.schema import Row


def at(recorder, phase, layer):
    """Says where the next events belong."""
    recorder.phase, recorder.layer = phase, layer


@pytest.fixture
def timeline():
    """100 bytes of weights; 30 kept; 50 and 20 for a moment; gradients of 100; an update of 7."""
    recorder = Recorder()
    recorder.allocate(100, "parameters")
    at(recorder, "forward", "layer1.0.conv1")
    kept = recorder.allocate(30)
    at(recorder, "forward", "layer1.0.bn1")
    recorder.free(recorder.allocate(50))
    at(recorder, "forward", "layer1.1.conv1")
    recorder.free(recorder.allocate(20))
    recorder.keep_activations()
    at(recorder, "backward", "layer1.0.conv1")
    recorder.allocate(100, "gradients")
    recorder.free(kept)
    at(recorder, "optimizer", "")
    recorder.free(recorder.allocate(7))
    return recorder.timeline()


def row(phase, layer, **live):
    """Returns a row with the named categories and no other alive."""
    return Row(phase=phase, layer=layer, live_bytes=[live.get(name, 0) for name in CATEGORIES])


def test_sizes_are_the_most_of_each_category(timeline):
    """Activations end before the step does, and temporaries are never all alive at once."""
    assert sizes(timeline) == {
        "parameters_bytes": 100, "buffers_bytes": 0, "optimizer_state_bytes": 0, "input_bytes": 0,
        "activations_bytes": 30, "gradients_bytes": 100, "temporaries_bytes": 50,
        "peak_bytes": 230,
    }  # fmt: skip


def test_a_block_s_visit_is_its_fullest_moment(timeline):
    """Both layers of block layer1.0 are one row, named by the layer that was fullest."""
    assert condensed(timeline) == [
        row("before", "", parameters=100),
        row("forward", "layer1.0.bn1", parameters=100, activations=30, temporaries=50),
        row("forward", "layer1.1.conv1", parameters=100, activations=30, temporaries=20),
        row("backward", "layer1.0.conv1", parameters=100, activations=30, gradients=100),
        row("optimizer", "", parameters=100, gradients=100, temporaries=7),
    ]


def test_the_peak_is_one_of_the_rows(timeline):
    """Shortening loses no byte of the peak."""
    assert max(sum(row.live_bytes) for row in condensed(timeline)) == timeline.peak_bytes


def test_the_backward_pass_has_a_peak_of_its_own(timeline):
    """Weights, what was kept and the gradients; the update is another phase."""
    assert backward_peak_bytes(timeline) == 230
