"""The lab's items, each answered from a saved run and nothing else."""

from hpml_lab.history.run import Run
from hpml_lab.report.answers import (
    batch_size,
    compilation,
    device,
    learning,
    network,
    workers,
)
from hpml_lab.report.answers.answer import Answer

_PARTS = (workers, device, learning, compilation, network, batch_size)


def answers(run: Run) -> list[Answer]:
    """Returns an answer for each lab item that the run has measured, in the lab's order."""
    return [answer for part in _PARTS for answer in part.answers(run)]
