"""Pictures of the dropout lab: courses around the expected one, the jump at 0, the shortcut."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.figure import Figure

from hpml_lab.history.run import Run
from hpml_lab.report.answers.answer import deviation
from hpml_lab.report.answers.dropout_lab import (
    CLEAN,
    HALF,
    LARGE,
    MARKED,
    SHORTEST,
    WEIGHTS,
    Lab,
    Part,
    drop_of,
    labs,
    minimiser,
    percents,
    shortcuts,
)
from hpml_lab.report.picture import Picture
from hpml_lab.report.terminal import plain

# Okabe and Ito 2008: told apart with any kind of colour vision.
_BLUE, _ORANGE, _GREEN, _BLACK = "#0072B2", "#D55E00", "#009E73", "#000000"
_FLOOR = 121 / 3  # of the mean squared error in training at p = 0.5
_LIMIT = (0.55, 5.5)  # of the minimiser for p to 0
_QUANTILES = 20


def dropout_pictures(run: Run) -> Iterator[Picture]:
    """Yields a picture for each part of the dropout lab that a run holds."""
    for name, caption, figure in _figures(run):
        yield Picture(f"dropout-{name}", f"Dropout lab: {caption}", figure)


def _figures(run: Run) -> Iterator[tuple[str, str, Figure]]:
    for number, lab in enumerate(labs(run), 1):
        if courses := _trained(lab):
            yield f"courses-{number}", "descent beside its expected course", _courses(courses)
        if sweeps := {n: p for n in ("sgd", "adam") if (p := lab.find("sweep", optimizer=n))}:
            yield f"sweep-{number}", "weights by drop probability", _sweep(sweeps)
    for number, parts in enumerate(shortcuts(run), 1):
        yield f"shortcut-{number}", "label pixels as a shortcut", _shortcut(parts)


def _trained(lab: Lab) -> list[tuple[int, Part, Part]]:
    return [
        (batch, part, expected)
        for batch in (1, LARGE)
        if (part := lab.find("descent", drop=HALF, batch_size=batch))
        and (expected := lab.find("expected", drop=HALF, batch_size=batch))
    ]


def _courses(courses: Sequence[tuple[int, Part, Part]]) -> Figure:
    figure = Figure(figsize=(5.2 * len(courses), 8), layout="constrained")
    figure.suptitle("Descent with dropout 0.5 on the row (10, 1) of target 11", fontsize=11)
    columns = figure.subplots(3, len(courses), squeeze=False, sharey="row", sharex="col").T
    for panels, (batch, part, expected) in zip(columns, courses, strict=True):
        panels[0].set_title(
            f"batch {batch}, {len(part.learnt.seeds)} seeds{_thin(batch)}", fontsize=10
        )
        for index, name in enumerate(WEIGHTS):
            _weight(panels[index], part, expected, index)
            panels[index].axhline(
                minimiser(HALF)[index],
                color=_BLACK,
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


def _weight(panel: Any, part: Part, expected: Part, index: int) -> None:
    steps, name = part.learnt.points, WEIGHTS[index]
    values = [part.at(name, step) for step in steps]
    _band(panel, steps, values, _BLUE, "seeds")
    mean = [expected.mean(name, step) for step in steps]
    spread = [expected.mean(f"deviation{index + 1}", step) for step in steps]
    panel.plot(steps, mean, "--", color=_ORANGE, label="expected mean (dotted: ± deviation)")
    for sign in (-1, 1):
        edge = [m + sign * d for m, d in zip(mean, spread, strict=True)]
        panel.plot(steps, edge, ":", color=_ORANGE, linewidth=1)


def _band(
    panel: Any, places: Sequence[float], values: list[list[float]], colour: str, of: str
) -> None:
    means = [statistics.fmean(each) for each in values]
    spread = list(map(deviation, values))
    panel.plot(places, means, "o-", color=colour, markersize=3, label=f"{of}: mean")
    panel.fill_between(
        places,
        [m - s for m, s in zip(means, spread, strict=True)],
        [m + s for m, s in zip(means, spread, strict=True)],
        color=colour,
        alpha=0.2,
        linewidth=0,
        label=f"{of}: ± deviation",
    )


def _loss(panel: Any, part: Part) -> None:
    steps = part.learnt.points
    values = [sorted(part.at("loss", step)) for step in steps]
    cuts = [_cuts(each) for each in values]
    panel.plot(
        steps, list(map(statistics.fmean, values)), "o-", color=_GREEN, markersize=3, label="mean"
    )
    panel.fill_between(
        steps, [cut[0] for cut in cuts], [cut[-1] for cut in cuts],
        color=_GREEN, alpha=0.2, linewidth=0, label="5 to 95 % of seeds",
    )  # fmt: skip
    panel.axhline(_FLOOR, color=_BLACK, linewidth=0.8, alpha=0.5, label="least squares: 121/3")
    panel.set_ylabel("loss of the step's batch")


def _cuts(values: list[float]) -> list[float]:
    several = values if len(values) > 1 else 2 * values  # of a single seed the band is a line
    return statistics.quantiles(several, n=_QUANTILES, method="inclusive")


def _sweep(sweeps: dict[str, Part]) -> Figure:
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    seeds = len(next(iter(sweeps.values())).learnt.seeds)
    figure.suptitle(
        f"Weights after 10,000 steps of batch 1024 by drop probability, {seeds} seeds", fontsize=11
    )
    for index, panel in enumerate(figure.subplots(1, 2)):
        _analytic(panel, index)
        for (name, part), style in zip(
            sweeps.items(), (("x", _BLUE), ("d", _ORANGE)), strict=False
        ):
            _measured(panel, part, index, {"sgd": "SGD", "adam": "Adam"}[name], style)
        panel.set_xlabel("drop probability p")
        panel.set_ylabel(WEIGHTS[index])
        panel.legend(fontsize=8)
    return figure


def _analytic(panel: Any, index: int) -> None:
    drops = [percent / 100 for percent in range(1, 99)]
    curve = [_LIMIT[index], *(minimiser(drop)[index] for drop in drops)]
    panel.plot([0, *drops], curve, color=_BLACK, linewidth=1, label="least squares, p above 0")
    hollow = {"color": _BLACK, "markerfacecolor": "white", "markersize": 8}
    panel.plot([0], [_LIMIT[index]], "o", **hollow)
    filled = {"color": _BLACK, "markersize": 8, "label": "least squares at p = 0"}
    panel.plot([0], [SHORTEST[index]], "o", **filled)


def _measured(panel: Any, part: Part, index: int, name: str, style: tuple[str, str]) -> None:
    places, (mark, colour) = part.learnt.points, style
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


def _shortcut(parts: list[Part]) -> Figure:
    source = plain(str(parts[0].of.case["source"])).plain
    figure = Figure(figsize=(5.2 * len(parts), 4.2), layout="constrained")
    figure.suptitle(
        f"Test accuracy of networks trained with label pixels in {source} images, "
        f"{len(parts[0].learnt.seeds)} seeds",
        fontsize=11,
    )
    for panel, part in zip(
        figure.subplots(1, len(parts), squeeze=False, sharey=True)[0], parts, strict=True
    ):
        epochs = part.learnt.points
        for name, colour, words in (
            (MARKED, _BLUE, "with label pixels"),
            (CLEAN, _ORANGE, "without"),
        ):
            _band(panel, epochs, [percents(part, name, epoch) for epoch in epochs], colour, words)
        panel.axhline(10, color=_BLACK, linewidth=0.8, linestyle=":", label="chance")
        panel.set_title(f"drop probability {drop_of(part):g}", fontsize=10)
        panel.set_xlabel("epoch")
        panel.set_ylim(0, 104)
    panel.legend(fontsize=8, loc="upper right")
    figure.axes[0].set_ylabel("%")
    return figure
