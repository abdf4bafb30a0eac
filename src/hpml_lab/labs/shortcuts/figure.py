"""Accuracy by epoch with the label pixels and without."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from hpml_lab.labs.dropout.figure import BLACK, BLUE, ORANGE, band
from hpml_lab.labs.dropout.records import CLEAN, MARKED, Trained, drop_of, percents, shortcuts
from hpml_lab.labs.picture import Picture
from hpml_lab.runs.schema import Run
from hpml_lab.text import printable


def pictures(run: Run) -> Iterator[Picture]:
    """Yields a picture for each device and setting in the run."""
    for number, parts in enumerate(shortcuts(run), 1):
        yield Picture(
            f"dropout-shortcut-{number}", "Dropout lab: label pixels as a shortcut", _figure(parts)
        )


def _figure(parts: list[Trained]) -> Figure:
    source = printable(str(parts[0].measurement.case["source"]))
    figure = Figure(figsize=(5.2 * len(parts), 4.2), layout="constrained")
    figure.suptitle(
        f"Test accuracy of networks trained with label pixels in {source} images, "
        f"{len(parts[0].learning.seeds)} seeds",
        fontsize=11,
    )
    for panel, part in zip(
        figure.subplots(1, len(parts), squeeze=False, sharey=True)[0], parts, strict=True
    ):
        epochs = part.learning.points
        for name, colour, words in (
            (MARKED, BLUE, "with label pixels"),
            (CLEAN, ORANGE, "without"),
        ):
            band(panel, epochs, [percents(part, name, epoch) for epoch in epochs], colour, words)
        panel.axhline(10, color=BLACK, linewidth=0.8, linestyle=":", label="chance")
        panel.set_title(f"drop probability {drop_of(part):g}", fontsize=10)
        panel.set_xlabel("epoch")
        panel.set_ylim(0, 104)
    panel.legend(fontsize=8, loc="upper right")
    figure.axes[0].set_ylabel("%")
    return figure
