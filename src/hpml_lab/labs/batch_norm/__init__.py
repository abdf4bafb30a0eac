"""C7: the network with and without batch norm."""

from hpml_lab.comparison.ratios import Contrast
from hpml_lab.labs.question import Published, Question

QUESTION = Question(
    folder="batch_norm",
    title="Batch norm",
    group="batch_norm",
    items=("C7",),
    contrasts=(
        Contrast("Batch norm: time of an epoch", "batch_norm", "batch_norm", True, ("seed",)),
    ),
    published=Published(("C7",)),
)
