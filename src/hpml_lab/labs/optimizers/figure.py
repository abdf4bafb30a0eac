"""C6: loss and accuracy by epoch."""

from collections.abc import Iterator

from hpml_lab.labs.charts import learning_panels, sweep_pictures
from hpml_lab.labs.picture import Picture
from hpml_lab.runs.schema import Run


def pictures(run: Run) -> Iterator[Picture]:
    """Yields a picture for each device and setting in the run."""
    title = "C6: loss and accuracy by epoch"
    return sweep_pictures(run, "optimizers", ["optimizer"], title, learning_panels("optimizer"))
