"""Q1 to Q4, and the memory of optimizers: exact counts of a network and of a step."""

from hpml_lab.labs.question import Published, Question

BATCH = {"quick": 8, "short": 128, "full": 128}
QUESTION = Question(
    folder="memory",
    group="memory",
    item="Q1-Q4",
    sizes=BATCH,
    published=Published(("Q1-Q4", "C7/Q1-Q4"), "counts"),
    isolated=frozenset({"quick", "full"}),
)
