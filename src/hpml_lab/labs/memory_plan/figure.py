"""Memory of a step by layer, as a record, a table and a figure."""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hpml_lab.errors import InputError
from hpml_lab.labs.answer import setting
from hpml_lab.labs.memory_plan.table import OUTSIDE
from hpml_lab.labs.picture import Picture, figure_style
from hpml_lab.memory.timeline import CATEGORIES, LayerMemory, Moment, Timeline, by_layer, grouped
from hpml_lab.runs.schema import Benchmark, Row, Run
from hpml_lab.text import printable
from hpml_lab.units import MIB, mebibytes

# Okabe and Ito 2008: distinct for all kinds of colour vision.
_COLOURS = dict(
    zip(
        CATEGORIES,
        ("#999999", "#000000", "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00"),
        strict=True,
    )
)

_LINE = 100  # characters in a line of the title
_MOST_LAYERS = 24  # rows of the layer panel
_NAMES = {"planned": "predicted", "tracked": "measured"}


def draw_memory(timeline: Timeline, title: str, path: Path) -> None:
    """Draws a predicted step: memory over time with its peak labelled, and by layer.

    Args:
        timeline: the timeline of the step.
        title: title of the picture.
        path: file to write, which ends in ``.png``, ``.svg`` or ``.pdf``.

    Raises:
        InputError: for another file format, or a file that cannot be written.
    """
    layers = grouped(by_layer(timeline), _MOST_LAYERS)
    figure = memory_figure({"predicted": timeline.outline()}, title, layers)
    try:
        figure.savefig(path, dpi=150)
    except ValueError as error:
        raise InputError(f"picture {str(path)!r}: {error}; end it in .png, .svg or .pdf") from error
    except OSError as error:
        raise InputError(
            f"picture {str(path)!r} cannot be written: {error.strerror}; name another place"
        ) from error


def memory_figure(
    outlines: Mapping[str, Sequence[Moment]], title: str, layers: Sequence[LayerMemory] = ()
) -> Figure:
    """Returns a figure of memory over one training step, stacked by category, peak labelled.

    Args:
        outlines: each layer's moment of most memory in a step, by name: ``predicted``,
            ``measured``; one panel for each, on one scale.
        title: title of the figure.
        layers: the memory of each layer, for a panel below.
    """
    with figure_style():
        return _memory_figure(outlines, title, layers)


def _memory_figure(
    outlines: Mapping[str, Sequence[Moment]], title: str, layers: Sequence[LayerMemory]
) -> Figure:
    heights = [3.4] * len(outlines) + ([0.2 * len(layers) + 1.0] if layers else [])
    figure = Figure(figsize=(9, sum(heights) + 0.8), layout="constrained")
    figure.suptitle(textwrap.fill(title, _LINE), fontsize=10)
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    top = 1.25 * max(moment.total_bytes for o in outlines.values() for moment in o) / MIB
    for panel, (name, outline) in zip(panels, outlines.items(), strict=False):
        _draw(panel, name, outline)
        panel.set_ylim(0, top)
    panels[0].legend(loc="upper left", fontsize=8, ncols=2, reverse=True)
    if layers:
        _draw_layers(panels[-1], layers)
    return figure


def _draw_layers(panel: Any, layers: Sequence[LayerMemory]) -> None:
    rows = range(len(layers))
    kept = [layer.kept_bytes / MIB for layer in layers]
    peak = [layer.peak_bytes / MIB for layer in layers]
    panel.barh(rows, kept, 0.7, color=_COLOURS["activations"], label="kept for the backward pass")
    panel.plot(
        peak, rows, "|", color="black", markersize=8, label="allocated and alive at the peak"
    )
    panel.set_yticks(rows, [layer.layer or OUTSIDE for layer in layers], fontsize=7)
    panel.invert_yaxis()
    panel.set_xlim(left=0)
    panel.set_xlabel("MiB")
    panel.set_title("by layer, in order of work", loc="left", fontsize=9)
    panel.legend(fontsize=8)


def pictures(run: Run) -> Iterator[Picture]:
    """Yields a picture for each step whose memory was predicted and traced."""
    for benchmark, title, outlines in _watched(run):
        name = f"memory-{re.sub(r'[^A-Za-z0-9_=-]+', '-', benchmark.name)}"
        yield Picture(name, f"Memory over a step: {title}", memory_figure(outlines, title))


def _watched(run: Run) -> Iterator[tuple[Benchmark, str, dict[str, list[Moment]]]]:
    for benchmark in run.benchmarks:
        case = benchmark.measurement
        if case is not None and case.timelines:
            outlines = {
                _NAMES.get(name, name): list(map(_moment, rows))
                for name, rows in case.timelines.items()
            }
            yield benchmark, printable(f"{benchmark.name}: {setting(case)}"), outlines


def _moment(row: Row) -> Moment:
    return Moment(row.phase, row.layer, dict(zip(CATEGORIES, row.live_bytes, strict=True)))


def _draw(panel: Any, name: str, outline: Sequence[Moment]) -> None:
    places = range(len(outline))
    used = [c for c in CATEGORIES if any(moment.live_bytes[c] for moment in outline)]
    steps = [*outline, outline[-1]]  # gives the last one a width too
    panel.stackplot(
        range(len(steps)),
        [[moment.live_bytes[c] / MIB for moment in steps] for c in used],
        labels=[c.replace("_", " ") for c in used],
        colors=[_COLOURS[c] for c in used],
        step="post",
    )
    peak = max(places, key=lambda place: outline[place].total_bytes)
    _label_peak(panel, peak, outline[peak], len(outline))
    _label_phases(panel, outline)
    panel.set_ylabel("MiB")
    panel.set_title(name, loc="left", fontsize=9)
    panel.margins(x=0)


def _label_peak(panel: Any, place: int, moment: Moment, places: int) -> None:
    height = moment.total_bytes / MIB
    right = place < places / 2
    panel.plot([place], [height], "v", color="black", markersize=6)
    panel.annotate(
        f"peak {mebibytes(moment.total_bytes)}\n{moment.phase} {moment.layer}".rstrip(),
        (place, height),
        xytext=(8 if right else -8, 4),
        textcoords="offset points",
        ha="left" if right else "right",
        fontsize=8,
    )


def _label_phases(panel: Any, outline: Sequence[Moment]) -> None:
    phases = [moment.phase for moment in outline]
    for phase in dict.fromkeys(phases):
        if phase == "before":
            continue
        first, last = phases.index(phase), len(phases) - phases[::-1].index(phase)
        panel.axvline(first, color="black", linewidth=0.6)
        panel.text(
            (first + last) / 2,
            -0.08,
            phase,
            ha="center",
            fontsize=8,
            transform=panel.get_xaxis_transform(),
        )
    panel.set_xticks([])
