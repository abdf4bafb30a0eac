"""Figures of the dropout lab: training next to its exact mean, and the jump at drop 0."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.figure import Figure

from hpml_lab.labs.answer import deviation
from hpml_lab.labs.dropout.records import (
    HALF,
    LARGE,
    SHORTEST,
    WEIGHTS,
    Lab,
    Trained,
    labs,
    minimiser,
)
from hpml_lab.labs.picture import INK, Picture
from hpml_lab.runs.schema import Run

# Okabe and Ito 2008: distinct for all kinds of colour vision.
BLUE, ORANGE, GREEN, BLACK = "#0072B2", "#D55E00", "#009E73", INK
_FLOOR = 121 / 3  # least mean squared error in training at p = 0.5
_LIMIT = (0.55, 5.5)  # limit of the minimiser for p to 0
_QUANTILES = 20


def pictures(run: Run) -> Iterator[Picture]:
    """Yields a picture for each part of the dropout lab in a run."""
    for name, caption, figure in _figures(run):
        yield Picture(f"dropout-{name}", f"Dropout lab: {caption}", figure)


def _figures(run: Run) -> Iterator[tuple[str, str, Figure]]:
    for number, lab in enumerate(labs(run), 1):
        if courses := _trained(lab):
            yield f"courses-{number}", "descent and its expected course", _courses(courses)
        if sweeps := {n: p for n in ("sgd", "adam") if (p := lab.find("sweep", optimizer=n))}:
            yield f"sweep-{number}", "weights by drop probability", _sweep(sweeps)


def _trained(lab: Lab) -> list[tuple[int, Trained, Trained]]:
    return [
        (batch, part, expected)
        for batch in (1, LARGE)
        if (part := lab.find("descent", drop=HALF, batch_size=batch))
        and (expected := lab.find("expected", drop=HALF, batch_size=batch))
    ]


def _courses(courses: Sequence[tuple[int, Trained, Trained]]) -> Figure:
    figure = Figure(figsize=(5.2 * len(courses), 8), layout="constrained")
    figure.suptitle("Descent with dropout 0.5 on the row (10, 1) of target 11", fontsize=11)
    columns = figure.subplots(3, len(courses), squeeze=False, sharey="row", sharex="col").T
    for panels, (batch, part, expected) in zip(columns, courses, strict=True):
        panels[0].set_title(
            f"batch {batch}, {len(part.learning.seeds)} seeds{_thin(batch)}", fontsize=10
        )
        for index, name in enumerate(WEIGHTS):
            _weight(panels[index], part, expected, index)
            panels[index].axhline(
                minimiser(HALF)[index],
                color=BLACK,
                linewidth=0.8,
                alpha=0.5,
                label="least squares",
            )
            panels[index].set_ylabel(name)
        _loss(panels[2], part)
        panels[2].set_xlabel("steps taken")
        panels[2].set_xscale("log")
    columns[0][1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(0, 0.93))
    columns[0][2].legend(fontsize=8, loc="upper right")
    return figure


def _thin(batch: int) -> str:
    return " (bands of the weights are thinner than the line)" if batch == LARGE else ""


def _weight(panel: Any, part: Trained, expected: Trained, index: int) -> None:
    steps, name = part.learning.points, WEIGHTS[index]
    values = [part.at(name, step) for step in steps]
    band(panel, steps, values, BLUE, "seeds")
    mean = [expected.mean(name, step) for step in steps]
    deviations = [expected.mean(f"deviation{index + 1}", step) for step in steps]
    panel.plot(steps, mean, "--", color=ORANGE, label="expected mean (dotted: ± deviation)")
    for sign in (-1, 1):
        edge = [m + sign * d for m, d in zip(mean, deviations, strict=True)]
        panel.plot(steps, edge, ":", color=ORANGE, linewidth=1)


def band(
    panel: Any, places: Sequence[float], values: list[list[float]], colour: str, name: str
) -> None:
    """Draws the mean and standard deviation over the members of values (places, members)."""
    means = [statistics.fmean(row) for row in values]
    deviations = list(map(deviation, values))
    panel.plot(places, means, "o-", color=colour, markersize=3, label=f"{name}: mean")
    panel.fill_between(
        places,
        [m - s for m, s in zip(means, deviations, strict=True)],
        [m + s for m, s in zip(means, deviations, strict=True)],
        color=colour,
        alpha=0.2,
        linewidth=0,
        label=f"{name}: ± deviation",
    )


def _loss(panel: Any, part: Trained) -> None:
    steps = part.learning.points
    values = [sorted(part.at("loss", step)) for step in steps]
    cuts = [_cuts(losses) for losses in values]
    panel.plot(
        steps, list(map(statistics.fmean, values)), "o-", color=GREEN, markersize=3, label="mean"
    )
    panel.fill_between(
        steps, [cut[0] for cut in cuts], [cut[-1] for cut in cuts],
        color=GREEN, alpha=0.2, linewidth=0, label="5 to 95 % of seeds",
    )  # fmt: skip
    panel.axhline(_FLOOR, color=BLACK, linewidth=0.8, alpha=0.5, label="least squares: 121/3")
    panel.set_ylabel("loss of the step's batch")


def _cuts(values: list[float]) -> list[float]:
    several = values if len(values) > 1 else 2 * values  # of a single seed the band is a line
    return statistics.quantiles(several, n=_QUANTILES, method="inclusive")


def _sweep(sweeps: dict[str, Trained]) -> Figure:
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    seeds = len(next(iter(sweeps.values())).learning.seeds)
    figure.suptitle(
        f"Weights after 10,000 steps of batch 1024 by drop probability, {seeds} seeds", fontsize=11
    )
    for index, panel in enumerate(figure.subplots(1, 2)):
        _analytic(panel, index)
        for (name, part), style in zip(sweeps.items(), (("x", BLUE), ("d", ORANGE)), strict=False):
            _measured(panel, part, index, {"sgd": "SGD", "adam": "Adam"}[name], style)
        panel.set_xlabel("drop probability p")
        panel.set_ylabel(WEIGHTS[index])
        panel.legend(fontsize=8)
    return figure


def _analytic(panel: Any, index: int) -> None:
    drops = [percent / 100 for percent in range(1, 99)]
    curve = [_LIMIT[index], *(minimiser(drop)[index] for drop in drops)]
    panel.plot([0, *drops], curve, color=BLACK, linewidth=1, label="least squares, p above 0")
    hollow = {"color": BLACK, "markerfacecolor": "white", "markersize": 8}
    panel.plot([0], [_LIMIT[index]], "o", **hollow)
    filled = {"color": BLACK, "markersize": 8, "label": "least squares at p = 0"}
    panel.plot([0], [SHORTEST[index]], "o", **filled)


def _measured(panel: Any, part: Trained, index: int, name: str, style: tuple[str, str]) -> None:
    places, (mark, colour) = part.learning.points, style
    values = [part.at(WEIGHTS[index], place) for place in places]
    panel.errorbar(
        places,
        list(map(statistics.fmean, values)),
        list(map(deviation, values)),
        fmt=mark,
        color=colour,
        capsize=3,
        label=f"{name}, ± deviation",
    )
