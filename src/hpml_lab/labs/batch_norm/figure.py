"""C7: with batch norm and without."""

from collections.abc import Iterator

from hpml_lab.labs.charts import learning_panels, sweep_pictures
from hpml_lab.labs.picture import Picture
from hpml_lab.runs.schema import Run


def pictures(run: Run) -> Iterator[Picture]:
    """Yields a picture for each device and setting in the run."""
    title = "C7: with batch norm and without"
    return sweep_pictures(run, "batch_norm", ["batch_norm"], title, learning_panels("batch_norm"))
