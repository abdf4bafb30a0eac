"""Pictures of a run's answers: lines over workers, epochs and batch sizes."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hpml_lab.history.cases import alike, lab_cases, measured, typical_s
from hpml_lab.history.run import Run
from hpml_lab.measure.epochs import Epoch
from hpml_lab.measure.record import Measurement, Value
from hpml_lab.report.answers.answer import measured_parts, setting
from hpml_lab.report.figures import no_formulas
from hpml_lab.report.picture import Picture

# Okabe and Ito 2008: told apart with any kind of colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000")
_MARKS = "os^Dv<>"

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One set of axes: lines by name, over what, and of what; `log` names logarithmic axes."""

    over: str
    of: str
    lines: dict[str, Points]
    log: str = ""


def charts(run: Run) -> Iterator[Picture]:
    """Yields a picture for each of the run's sweeps that has two points or more."""
    for group, axes, panels in _SWEEPS:
        cases = lab_cases(run, group, epochs=group != "batch_size")
        for number, sweep in enumerate(alike(cases, *axes), 1):
            drawn = [panel for panel in panels(sweep) if any(map(_drawable, panel.lines.values()))]
            if drawn:
                caption = f"{_TITLES[group]} ({setting(sweep[0], *axes)})"
                yield Picture(f"{group}-{number}", caption, _figure(drawn))


def _drawable(points: Points) -> bool:
    return len(points) > 1


def _workers(sweep: list[Measurement]) -> Iterator[Panel]:
    cases = sorted(sweep, key=lambda case: int(case.case["workers"] or 0))
    run_time = [(_number(c, "workers"), _mean([e.total_s for e in measured(c)])) for c in cases]
    waits = [
        (_number(c, "workers"), _mean([p.wait_s for p in measured_parts(c)]))
        for c in cases
        if measured_parts(c)
    ]
    yield Panel("workers", "s / epoch", {"run time": run_time, "loading": waits})


def _learning(axis: str) -> Callable[[list[Measurement]], Iterator[Panel]]:
    def panels(sweep: list[Measurement]) -> Iterator[Panel]:
        yield Panel("epoch", "loss", _by_epoch(sweep, axis, lambda epoch: epoch.loss))
        yield Panel("epoch", "top-1 %", _by_epoch(sweep, axis, lambda epoch: 100 * epoch.accuracy))

    return panels


def _compiled(sweep: list[Measurement]) -> Iterator[Panel]:
    lines = _by_epoch(sweep, "compile_mode", lambda epoch: epoch.total_s)
    yield Panel("epoch", "s", lines, log="y")


def _batches(sweep: list[Measurement]) -> Iterator[Panel]:
    points = [
        (_number(case, "batch_size"), (case.samples or 0) / typical_s(case))
        for case in sweep
        if any(case.processes)
    ]
    yield Panel("batch", "images / s", {"training step": sorted(points)}, log="x")


_SWEEPS: tuple[tuple[str, tuple[str, ...], Callable[[list[Measurement]], Iterator[Panel]]], ...] = (
    ("workers", ("workers",), _workers),
    ("optimizers", ("optimizer",), _learning("optimizer")),
    ("batch_norm", ("batch_norm",), _learning("batch_norm")),
    ("compile_modes", ("compile_mode",), _compiled),
    ("batch_size", ("batch_size", "images"), _batches),
)
_TITLES = {
    "workers": "C3: run time and loading by worker count",
    "optimizers": "C6: loss and accuracy by epoch",
    "batch_norm": "C7: with batch norm and without",
    "compile_modes": "C8: epoch time by epoch",
    "batch_size": "Throughput by batch size",
}


def _by_epoch(
    sweep: list[Measurement], axis: str, of: Callable[[Epoch], float]
) -> dict[str, Points]:
    return {
        _label(axis, case.case[axis]): [(e.index, of(e)) for e in case.epochs] for case in sweep
    }


def _label(axis: str, value: Value) -> str:
    words = axis.replace("_", " ")
    return f"{words if value else f'no {words}'}" if isinstance(value, bool) else str(value)


def _number(case: Measurement, axis: str) -> float:
    return float(case.case[axis] or 0)


def _mean(values: list[float]) -> float:
    return statistics.fmean(values)


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
    axes.set_xlabel(panel.over)
    axes.set_ylabel(panel.of)
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
