"""Figures of the edge lab: learning curves, training set sizes, confusion and kernels."""

import statistics
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from matplotlib import colormaps
from matplotlib.figure import Figure

from hpml_lab.labs.answer import deviation
from hpml_lab.labs.edges.records import TrainedCase, confusion, kind, trained_cases
from hpml_lab.labs.picture import Picture
from hpml_lab.runs.schema import Run

# Okabe and Ito 2008, from dark to light.
_COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_LIMITS = (25, 101)
_SHOWN_SEEDS = 4
_DETECTOR_ROWS = (2, 3)
_CAPTIONS = {
    "curves": "accuracy by epoch",
    "images": "accuracy by training images",
    "confusion": "what a shifted domain is taken for",
    "kernels": "kernels before and after training, and edge detectors",
}
_CLASSES = ("horizontal", "vertical", "none")


def pictures(run: Run) -> Iterator[Picture]:
    """Yields the figures of the edge lab for which a run has data."""
    cases = [
        case
        for case in trained_cases(run)
        if case.setting("classes") == 3 and case.setting("batch_size") == 10
    ]
    plain = [case for case in cases if not (case.setting("shifted") or case.setting("permuted"))]
    figures = {
        "curves": _curves([case for case in plain if not case.setting("detectors")]),
        "images": _sizes(plain),
        "confusion": _confusions([case for case in cases if case.setting("shifted")]),
        "kernels": _kernels([case for case in cases if _kernels_changed(case)]),
    }
    for name, figure in figures.items():
        if figure is not None:
            yield Picture(f"edges-{name}", f"Edge lab: {_CAPTIONS[name]}", figure)


def _curves(cases: list[TrainedCase]) -> Figure | None:
    kinds = [(name, list(group)) for name, group in groupby(cases, key=kind)]
    if not kinds:
        return None
    figure = Figure(figsize=(4.2 * len(kinds), 4), layout="constrained")
    panels = figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0]
    for panel, (name, group) in zip(panels, kinds, strict=True):
        for index, case in enumerate(group):
            _band(panel, case, colormaps["viridis"](0.9 * index / max(1, len(group) - 1)))
        panel.set_title(name, fontsize=10)
        panel.set_xscale("symlog", linthresh=1)
        panel.set_xlabel("epochs")
        panel.legend(title="images/class", fontsize=7, title_fontsize=7, loc="upper left")
    panels[0].set_ylabel("top-1 % on new images: mean, quartiles")
    panels[0].set_ylim(*_LIMITS)
    return figure


def _band(panel: Any, case: TrainedCase, colour: Any) -> None:
    points = [int(point) for point in case.learning.points]
    values = [case.at(point) for point in points]
    quartiles = [_quartiles(accuracies) for accuracies in values]
    panel.fill_between(points, *zip(*quartiles, strict=True), color=colour, alpha=0.15, linewidth=0)
    label = str(case.per_class)
    panel.plot(points, list(map(statistics.fmean, values)), color=colour, label=label, marker=".")


def _quartiles(values: list[float]) -> tuple[float, float]:
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def _sizes(cases: list[TrainedCase]) -> Figure | None:
    kinds = [(name, list(group)) for name, group in groupby(cases, key=kind)]
    if not kinds:
        return None
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    panel = figure.subplots()
    for index, (name, group) in enumerate(kinds):
        values = [case.at(case.epochs) for case in group]
        panel.errorbar(
            [case.per_class * 1.015 ** (index - len(kinds) / 2) for case in group],
            list(map(statistics.fmean, values)),
            list(map(deviation, values)),
            label=f"{name}, {_epochs(group)} epochs",
            color=_COLOURS[index % len(_COLOURS)],
            marker="o",
            markersize=4,
            capsize=3,
        )
    panel.set_xscale("log")
    counts = sorted({case.per_class for case in cases})
    panel.set_xticks(counts, list(map(str, counts)))
    panel.set_xticks([], minor=True)
    panel.set_xlabel("training images of each class")
    panel.set_ylabel("top-1 % on new images: mean ± standard deviation")
    panel.legend(fontsize=8)
    return figure


def _epochs(group: Iterable[TrainedCase]) -> str:
    return " or ".join(str(epochs) for epochs in sorted({case.epochs for case in group}))


def _confusions(cases: list[TrainedCase]) -> Figure | None:
    # Of several cases of a kind, the last has the most images.
    most = {kind(case): case for case in cases if case.setting("kernel") == 7}
    if not most:
        return None
    figure = Figure(figsize=(3.2 * len(most), 3.6), layout="constrained")
    panels = figure.subplots(1, len(most), squeeze=False)[0]
    for panel, (name, case) in zip(panels, most.items(), strict=True):
        table = confusion(case)
        panel.imshow(table, cmap="Blues", vmin=0, vmax=sum(table[0]))
        for row, cells in enumerate(table):
            for column, cell in enumerate(cells):
                colour = "white" if cell > sum(table[0]) / 2 else "black"
                panel.text(column, row, f"{cell:.1f}", ha="center", va="center", color=colour)
        panel.set_xticks(range(3), _CLASSES, fontsize=8)
        panel.set_yticks(range(3), _CLASSES, fontsize=8)
        panel.set_title(f"{name}\n{case.per_class} images/class", fontsize=9)
        panel.set_xlabel("called", fontsize=8)
    panels[0].set_ylabel("is")
    return figure


def _kernels_changed(case: TrainedCase) -> bool:
    return "kernels_after" in case.learning.matrices and not case.setting("frozen")


def _kernels(cases: list[TrainedCase]) -> Figure | None:
    if not cases:
        return None
    shown = min(_SHOWN_SEEDS, *(len(case.learning.seeds) for case in cases))
    figure = Figure(figsize=(2.4 + 1.6 * 2 * shown * 0.75, 1.5 * 3 * len(cases)))
    figure.set_layout_engine("constrained")
    blocks = figure.subfigures(len(cases), 1, squeeze=False)[:, 0]
    for block, case in zip(blocks, cases, strict=True):
        _kernel_block(block, case, shown)
    return figure


def _kernel_block(block: Any, case: TrainedCase, shown: int) -> None:
    filters = len(case.learning.matrices["kernels_after"][0])
    side = int(case.measurement.case["kernel"] or 0)
    panels = block.subplots(filters, 2 * shown + 1, squeeze=False)
    block.suptitle(f"{kind(case)}, {case.per_class} images/class, {case.epochs} epochs", fontsize=9)
    for row in range(filters):
        for seed in range(shown):
            for place, when in enumerate(("before", "after")):
                panel = panels[row][2 * seed + place]
                kernel = case.learning.matrices[f"kernels_{when}"][seed][row]
                _kernel(panel, [kernel[i : i + side] for i in range(0, side**2, side)])
                if row == 0:
                    panel.set_title(f"seed {case.learning.seeds[seed]}\n{when}", fontsize=7)
        _kernel(panels[row][-1], _detector(side, row))
    panels[0][-1].set_title("edge\ndetectors", fontsize=7)


def _detector(side: int, row: int) -> list[list[float]] | None:
    lines = [
        [float(i == _DETECTOR_ROWS[0]) - float(i == _DETECTOR_ROWS[1])] * side for i in range(side)
    ]
    if row == 0:
        return lines
    return [list(column) for column in zip(*lines, strict=True)] if row == 1 else None


def _kernel(panel: Any, values: list[list[float]] | None) -> None:
    panel.set_axis_off()
    if values is not None:
        most = max(abs(value) for row in values for value in row) or 1.0
        panel.imshow(values, cmap="RdBu", vmin=-most, vmax=most)
