"""C2, C3, C4: breakdown of an epoch's time, and the best number of loader workers."""

from hpml_lab.comparison.ratios import Contrast
from hpml_lab.labs.question import Published, Question

# Measured epochs of a case. A quick profile repeats it in other processes instead.
EPOCHS = {"quick": 2, "short": 5, "full": 5}
QUESTION = Question(
    folder="workers",
    title="Loader workers",
    group="workers",
    items=("C2", "C3", "C4"),
    sizes=EPOCHS,
    contrasts=(Contrast("Loader workers: time of an epoch", "workers", "workers", 0),),
    published=Published(("C2", "C3", "C3.1", "C4")),
)
