"""Pictures of a saved run's memory."""

from dataclasses import replace

import pytest

from hpml_lab.errors import InputError
from hpml_lab.labs.memory_plan.figure import draw_memory, memory_figure
from hpml_lab.memory.timeline import CATEGORIES, Moment, Recorder
from hpml_lab.report.answers import draw_run
from hpml_lab.runs.schema import Row
from support.runs import benchmark, run_of

ROWS = [
    Row(phase="before", layer="", live_bytes=[10, 0, 0, 1, 0, 0, 0]),
    Row(phase="forward", layer="conv", live_bytes=[10, 0, 0, 1, 40, 0, 2]),
    Row(phase="backward", layer="conv", live_bytes=[10, 0, 0, 1, 30, 20, 9]),
    Row(phase="optimizer", layer="", live_bytes=[10, 0, 0, 1, 0, 20, 0]),
]


def step():
    """A convolution that keeps 40 bytes and takes 20 more in its backward pass."""
    recorder = Recorder()
    recorder.allocate(10, "parameters")
    recorder.phase, recorder.layer = "forward", "conv"
    recorder.allocate(40)
    recorder.keep_activations()
    recorder.phase = "backward"
    recorder.allocate(20, "gradients")
    return recorder.timeline()


def measured(**timelines):
    """Returns a saved benchmark with timelines, under a name that no file may have."""
    result = benchmark("memory_plan", seconds=[1.0])
    result.measurement.timelines.update(timelines)
    return replace(result, name="test_step[cpu/../<b>\x1b[31m]")


def test_each_watched_step_is_a_picture(tmp_path):
    """One PNG for the case with timelines, none for the other; its name is a plain one."""
    run = run_of(measured(planned=ROWS, tracked=ROWS), measured())
    (path,) = draw_run(run, tmp_path / "pictures")
    assert path == tmp_path / "pictures" / "memory-test_step-cpu-b-31m-.png"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_peak_is_labelled(tmp_path):
    """The fullest moment has a mark with its size, phase and layer."""
    draw_memory(step(), "a step", tmp_path / "step.svg")
    drawn = (tmp_path / "step.svg").read_text()
    # matplotlib writes the text of each label as a comment beside its glyphs.
    for label in ("peak 0.00 MiB", "backward conv", "activations", "a step", "by layer"):
        assert f"<!-- {label}" in drawn or label in drawn


def test_a_picture_of_no_kind_is_refused(tmp_path):
    """The error names the endings that can be."""
    with pytest.raises(InputError, match=r"end it in \.png, \.svg or \.pdf"):
        draw_memory(step(), "a step", tmp_path / "step.txt")


def test_panels_of_one_step_have_one_scale():
    """A quarter more than the largest of both, so that a plan that is too low is seen."""

    def outline(mebibytes):
        live = dict.fromkeys(CATEGORIES, 0) | {"activations": mebibytes * 2**20}
        return [Moment("before", "", dict.fromkeys(CATEGORIES, 0)), Moment("forward", "conv", live)]

    figure = memory_figure({"predicted": outline(10), "measured": outline(40)}, "a step")
    assert [panel.get_ylim() for panel in figure.axes] == [(0, 50), (0, 50)]
