"""The lab's items, each answered from a saved run and nothing else."""

from hpml_lab.history.run import Run
from hpml_lab.report.answers import (
    batch_learning,
    batch_size,
    compilation,
    device,
    dropout,
    edges,
    largest_batch,
    learning,
    memory,
    network,
    own_steps,
    roofline,
    run_warnings,
    shortcuts,
    stalls,
    timed,
    workers,
)
from hpml_lab.report.answers.answer import Answer, records_fit

_PARTS = (
    own_steps,
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
    dropout,
    shortcuts,
    edges,
    roofline,
)


def answers(run: Run) -> list[Answer]:
    """Returns an answer for each lab item that the run has measured, in the lab's order.

    The steps of a user's own come first.

    Raises:
        RunFileError: if the run's records cannot be those of a measurement.
    """
    with records_fit():
        return [answer for part in _PARTS for answer in part.answers(run)]


def everything(run: Run) -> list[Answer]:
    """Returns every timed case, the answers, and last the warnings: a terminal ends with it.

    Raises:
        RunFileError: as `answers`.
    """
    with records_fit():
        return [*timed.answers(run), *answers(run), *run_warnings.answers(run)]
