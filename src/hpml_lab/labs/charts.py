"""Line charts of a question's sweeps: over workers, epochs or batch sizes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hpml_lab.labs.answer import setting
from hpml_lab.labs.picture import Picture, no_formulas
from hpml_lab.runs.cases import alike, lab_cases
from hpml_lab.runs.schema import Epoch, Measurement, Run, Value

# Okabe and Ito 2008: distinct for all kinds of colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000")
_MARKS = "os^Dv<>"

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One set of axes: lines by name, labels, and which axes are logarithmic, such as ``x``."""

    x_label: str
    y_label: str
    lines: dict[str, Points]
    log: str = ""


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


def _figure(panels: list[Panel]) -> Figure:
    figure = Figure(figsize=(4.5 * len(panels), 3.2), layout="constrained")
    with no_formulas():
        for axes, panel in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
        ):
            _draw(axes, panel)
    return figure


def _draw(axes: Any, panel: Panel) -> None:
    for index, (name, points) in enumerate(panel.lines.items()):
        if points:
            axes.plot(
                *zip(*points, strict=True),
                marker=_MARKS[index % len(_MARKS)],
                color=_COLOURS[index % len(_COLOURS)],
                label=name,
                markersize=4,
            )
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
    else:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
