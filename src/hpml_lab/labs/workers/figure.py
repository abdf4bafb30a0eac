"""C3: run time and loading by worker count."""

import statistics
from collections.abc import Iterator

from hpml_lab.labs.answer import measured_parts
from hpml_lab.labs.charts import Panel, number, sweep_pictures
from hpml_lab.labs.picture import Picture
from hpml_lab.runs.cases import measured
from hpml_lab.runs.schema import Measurement, Run


def pictures(run: Run) -> Iterator[Picture]:
    """Yields a picture for each device and setting in the run."""
    title = "C3: run time and loading by worker count"
    return sweep_pictures(run, "workers", ["workers"], title, _panels)


def _panels(sweep: list[Measurement]) -> Iterator[Panel]:
    cases = sorted(sweep, key=lambda case: number(case, "workers"))
    run_time = [
        (number(case, "workers"), statistics.fmean(epoch.total_s for epoch in measured(case)))
        for case in cases
    ]
    waits = [
        (number(case, "workers"), statistics.fmean(parts.wait_s for parts in measured_parts(case)))
        for case in cases
        if measured_parts(case)
    ]
    yield Panel("workers", "s / epoch", {"run time": run_time, "loading": waits})
