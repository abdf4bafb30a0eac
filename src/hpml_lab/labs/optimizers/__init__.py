"""C6: optimizers at the lab's learning rate: time, loss and accuracy by epoch."""

from hpml_lab.comparison.ratios import Contrast
from hpml_lab.labs.question import Published, Question

QUESTION = Question(
    folder="optimizers",
    title="Optimizers",
    group="optimizers",
    items=("C6",),
    contrasts=(
        Contrast(
            "Optimizers: time of an epoch", "optimizers", "optimizer", "sgd-momentum", ("seed",)
        ),
    ),
    published=Published(("C6",)),
)
