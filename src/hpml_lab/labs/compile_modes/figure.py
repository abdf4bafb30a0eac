"""C8: epoch time by epoch."""

from collections.abc import Iterator

from hpml_lab.labs.charts import Panel, by_epoch, sweep_pictures
from hpml_lab.labs.picture import Picture
from hpml_lab.runs.schema import Measurement, Run


def pictures(run: Run) -> Iterator[Picture]:
    """Yields a picture for each device and setting in the run."""
    title = "C8: epoch time by epoch"
    return sweep_pictures(run, "compile_modes", ["compile_mode"], title, _panels)


def _panels(sweep: list[Measurement]) -> Iterator[Panel]:
    lines = by_epoch(sweep, "compile_mode", lambda epoch: epoch.total_s)
    yield Panel("epoch", "s", lines, log="y")
