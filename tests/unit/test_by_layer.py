"""Which layers a step's memory is in, on a step written by hand."""

from hpml_lab.labs.memory_plan.table import layers_answer, layers_record
from hpml_lab.memory.timeline import LayerMemory, Recorder, by_layer, grouped


def step():
    """Two layers keep 10 and 20; the second also works with 70; backward gives 5 back."""
    recorder = Recorder()
    recorder.allocate(1000, "parameters")
    recorder.phase, recorder.layer = "forward", "blocks.0.a"
    kept = recorder.allocate(10, "activations")
    recorder.layer = "blocks.1.a"
    work = recorder.allocate(70)
    recorder.allocate(20, "activations")
    recorder.free(work)
    recorder.phase, recorder.layer = "backward", "blocks.1.a"
    recorder.allocate(5, "gradients")
    recorder.free(kept)
    return recorder.timeline()


def test_layers_hold_what_they_allocated():
    """Kept: 10 and 20. At the peak, with the 70 still there: 10 and 90. No parameters."""
    assert by_layer(step()) == [
        LayerMemory("blocks.0.a", 10, 10),
        LayerMemory("blocks.1.a", 20, 90),
    ]
    assert layers_record(step())[1] == {"layer": "blocks.1.a", "kept_bytes": 20, "peak_bytes": 90}


def test_many_layers_are_added_up_by_block():
    """One row is room for both only by their common beginning."""
    assert grouped(by_layer(step()), 2) == by_layer(step())
    assert grouped(by_layer(step()), 1) == [LayerMemory("blocks", 30, 100)]


def test_work_outside_the_modules_has_a_name():
    """The loss is computed behind them."""
    recorder = Recorder()
    recorder.phase = "forward"
    recorder.allocate(2**20, "activations")
    (row,) = layers_answer("x", recorder.timeline()).rows
    assert row == ["(outside the modules)", "1.00 MiB", "1.00 MiB"]
