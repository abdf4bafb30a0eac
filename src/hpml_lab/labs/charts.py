"""Line charts of a question's sweeps: over workers, epochs or batch sizes."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from hpml_lab.labs.answer import setting
from hpml_lab.labs.picture import INK, Picture, figure_style
from hpml_lab.runs.cases import alike, lab_cases
from hpml_lab.runs.schema import Epoch, Measurement, Run, Value
from hpml_lab.stats.intervals import fresh_process_interval

# Okabe and Ito 2008: distinct for all kinds of colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", INK)
_MARKS = "os^Dv<>"
_WIDTH, _HEIGHT = 6.0, 2.8  # inches of a panel; all figures of one width have one size of type
_LINE = 0.09  # height of a line of text, as a share of that of the axes

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One set of axes.

    Attributes:
        x_label: label of the horizontal axis.
        y_label: label of the vertical axis.
        lines: points of each line, by its name.
        log: which axes are logarithmic, such as ``x``.
        intervals: place, low and high end of the intervals of a line's points, by its name.
    """

    x_label: str
    y_label: str
    lines: dict[str, Points]
    log: str = ""
    intervals: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)


Panels = Callable[[list[Measurement]], Iterator[Panel]]


def sweep_pictures(
    run: Run, group: str, axes: Sequence[str], title: str, panels: Panels, *, epochs: bool = True
) -> Iterator[Picture]:
    """Yields a picture for each of a question's sweeps with two points or more.

    Args:
        run: the saved run.
        group: the group of the benchmarks.
        axes: the axes in which the cases of a sweep differ.
        title: the title of the pictures.
        panels: a function that returns the panels of a sweep.
        epochs: whether the cases have epochs.
    """
    for number, sweep in enumerate(alike(lab_cases(run, group, epochs=epochs), *axes), 1):
        drawn = [panel for panel in panels(sweep) if any(map(_drawable, panel.lines.values()))]
        if drawn:
            caption = f"{title} ({setting(sweep[0], *axes)})"
            yield Picture(f"{group}-{number}", caption, _figure(drawn))


def _drawable(points: Points) -> bool:
    return len(points) > 1


def learning_panels(axis: str) -> Panels:
    """Returns the panels of loss and accuracy by epoch, with a line for each value of an axis."""

    def panels(sweep: list[Measurement]) -> Iterator[Panel]:
        yield Panel("epoch", "loss", by_epoch(sweep, axis, lambda epoch: epoch.loss))
        yield Panel("epoch", "top-1 %", by_epoch(sweep, axis, lambda epoch: 100 * epoch.accuracy))

    return panels


def by_epoch(
    sweep: list[Measurement], axis: str, value: Callable[[Epoch], float]
) -> dict[str, Points]:
    """Returns the lines of a value by epoch, one for each value of an axis."""
    return {
        _label(axis, case.case[axis]): [(e.index, value(e)) for e in case.epochs] for case in sweep
    }


def _label(axis: str, value: Value) -> str:
    words = axis.replace("_", " ")
    return f"{words if value else f'no {words}'}" if isinstance(value, bool) else str(value)


def number(case: Measurement, axis: str) -> float:
    """Returns the value of a numeric axis of a case; 0 if it is None."""
    return float(case.case[axis] or 0)


def process_intervals(
    cases: list[Measurement], place: Callable[[Measurement], float], value: Callable[[float], float]
) -> list[tuple[float, float, float]]:
    """Returns where one more process would be (95 %), for each case measured in two or more.

    Args:
        cases: cases of one line.
        place: place of a case on the horizontal axis.
        value: what is drawn for the seconds of a round.
    """
    ends = []
    for case in cases:
        if interval := fresh_process_interval(case.processes):
            low, high = sorted((value(interval.low_s), value(interval.high_s)))
            ends.append((place(case), low, high))
    return ends


def _figure(panels: list[Panel]) -> Figure:
    with figure_style():
        figure = Figure(figsize=(_WIDTH, _HEIGHT * len(panels)), layout="constrained")
        for axes, panel in zip(
            figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels, strict=True
        ):
            _draw(axes, panel)
    return figure


def _draw(axes: Any, panel: Panel) -> None:
    for index, (name, points) in enumerate(panel.lines.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        if points:
            axes.plot(
                *zip(*points, strict=True),
                marker=_MARKS[index % len(_MARKS)],
                color=colour,
                markersize=4,
            )
        for place, low, high in panel.intervals.get(name, []):
            axes.plot([place, place], [low, high], color=colour, linewidth=1)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    if "x" in panel.log:
        places = sorted({x for points in panel.lines.values() for x, _ in points})
        axes.set_xscale("log", base=2)
        axes.set_xticks(places, labels=[f"{x:g}" for x in places])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if "y" in panel.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    _name_lines(axes, panel)


def _name_lines(axes: Any, panel: Panel) -> None:
    """Writes the name of each line at its end, the names of close ends one above the other."""
    drawn = [(name, points[-1]) for name, points in panel.lines.items() if points]
    if len(drawn) < 2:
        return
    colours = dict(zip(panel.lines, itertools.cycle(_COLOURS), strict=False))
    to_share = (axes.transScale + axes.transLimits).transform  # 0 to 1 from bottom to top
    lowest = -math.inf
    for name, end in sorted(drawn, key=lambda line: line[1][1]):
        lowest = max(lowest + _LINE, float(to_share(end)[1]))
        axes.annotate(
            name,
            (1.02, lowest),
            xycoords="axes fraction",
            va="center",
            color=colours[name],
            annotation_clip=False,
        )
