"""The lab's items, each answered from a saved run and nothing else."""

from hpml_lab.errors import RunFileError
from hpml_lab.history.run import Run
from hpml_lab.report.answers import (
    batch_learning,
    batch_size,
    compilation,
    device,
    largest_batch,
    learning,
    memory,
    network,
    roofline,
    stalls,
    workers,
)
from hpml_lab.report.answers.answer import Answer

_PARTS = (
    workers,
    stalls,
    device,
    learning,
    compilation,
    network,
    memory,
    largest_batch,
    batch_size,
    batch_learning,
    roofline,
)


def answers(run: Run) -> list[Answer]:
    """Returns an answer for each lab item that the run has measured, in the lab's order.

    Raises:
        RunFileError: if the run's records cannot be those of a measurement.
    """
    try:
        return [answer for part in _PARTS for answer in part.answers(run)]
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise RunFileError(f"the run's records do not fit together: {error!r}") from error
