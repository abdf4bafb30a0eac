"""C3: run time and loading by worker count, for each number of threads."""

import statistics
from collections.abc import Iterator

from hpml_lab.labs.answer import measured_parts
from hpml_lab.labs.charts import Panel, Points, number, process_intervals, sweep_pictures
from hpml_lab.labs.picture import Picture
from hpml_lab.runs.cases import alike, measured
from hpml_lab.runs.schema import Measurement, Run


def pictures(run: Run) -> Iterator[Picture]:
    """Yields a picture for each device and setting in the run."""
    title = "C3: run time and loading by worker count"
    axes = ["workers", "threads", "intraop_threads"]
    return sweep_pictures(run, "workers", axes, title, _panels)


def _panels(sweep: list[Measurement]) -> Iterator[Panel]:
    lines: dict[str, Points] = {}
    intervals = {}
    for cases in alike(sweep, "workers"):
        cases.sort(key=lambda case: number(case, "workers"))
        threads = cases[0].case.get("intraop_threads")
        of_threads = "" if threads is None else f", {threads} threads"
        lines[f"run time{of_threads}"] = [
            (number(case, "workers"), statistics.fmean(epoch.total_s for epoch in measured(case)))
            for case in cases
        ]
        intervals[f"run time{of_threads}"] = process_intervals(
            cases, lambda case: number(case, "workers"), lambda round_s: round_s
        )
        lines[f"loading{of_threads}"] = [
            (number(case, "workers"), statistics.fmean(p.wait_s for p in measured_parts(case)))
            for case in cases
            if measured_parts(case)
        ]
    yield Panel("workers", "s / epoch", lines, intervals=intervals)
