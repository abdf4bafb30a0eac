"""C2, C3, C4: breakdown of an epoch's time, and the best number of loader workers."""

from hpml_lab.comparison.ratios import Contrast
from hpml_lab.labs.question import Published, Question

QUESTION = Question(
    folder="workers",
    group="workers",
    item="C2, C3, C4",
    contrasts=(Contrast("Loader workers: time of an epoch", "workers", "workers", 0),),
    published=Published(("C2", "C3", "C3.1", "C4")),
)
