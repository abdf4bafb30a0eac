"""All pictures of a saved run."""

from collections.abc import Iterator
from pathlib import Path

from hpml_lab.history.run import Run
from hpml_lab.report.charts import charts
from hpml_lab.report.dropout_figures import dropout_pictures
from hpml_lab.report.edge_figures import edge_pictures
from hpml_lab.report.figures import memory_pictures
from hpml_lab.report.picture import Picture


def pictures(run: Run) -> Iterator[Picture]:
    """Yields what the run holds: sweeps, learning labs, and memory over steps that were watched."""
    yield from charts(run)
    yield from dropout_pictures(run)
    yield from edge_pictures(run)
    yield from memory_pictures(run)


def draw_run(run: Run, folder: Path) -> list[Path]:
    """Draws them; returns the files.

    Args:
        run: the saved run.
        folder: where the pictures go, as PNG; made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for picture in pictures(run):
        path = folder / f"{picture.name}.png"
        picture.figure.savefig(path, dpi=150)
        drawn.append(path)
    return drawn
