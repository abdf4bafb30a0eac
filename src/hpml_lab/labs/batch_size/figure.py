"""Throughput by batch size."""

from collections.abc import Iterator

from hpml_lab.labs.charts import Panel, number, sweep_pictures
from hpml_lab.labs.picture import Picture
from hpml_lab.runs.cases import typical_s
from hpml_lab.runs.schema import Measurement, Run


def pictures(run: Run) -> Iterator[Picture]:
    """Yields a picture for each device and setting in the run."""
    axes = ["batch_size", "images"]
    return sweep_pictures(
        run, "batch_size", axes, "Throughput by batch size", _panels, epochs=False
    )


def _panels(sweep: list[Measurement]) -> Iterator[Panel]:
    points = [
        (number(case, "batch_size"), (case.samples or 0) / typical_s(case))
        for case in sweep
        if any(case.processes)
    ]
    yield Panel("batch", "images / s", {"training step": sorted(points)}, log="x")
