"""Throughput by batch size."""

from collections.abc import Callable, Iterator

from hpml_lab.labs.charts import Panel, number, process_intervals, sweep_pictures
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
    intervals = [
        interval
        for case in sweep
        for interval in process_intervals(
            [case], lambda case: number(case, "batch_size"), _rate_of(case.samples or 0)
        )
    ]
    name = "training step"
    yield Panel("batch", "images / s", {name: sorted(points)}, "x", {name: intervals})


def _rate_of(samples: int) -> Callable[[float], float]:
    return lambda step_s: samples / step_s
