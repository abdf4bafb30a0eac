"""Q1 to Q4, and the memory of optimizers: exact counts of a network and of a step."""

from hpml_lab.labs.question import Published, Question

BATCH = {"quick": 8, "short": 128, "full": 128}
QUESTION = Question(
    folder="memory",
    title="The network counted",
    group="memory",
    items=("Q1", "Q2", "Q3", "Q4"),
    sizes=BATCH,
    published=Published(("Q1-Q4", "C7/Q1-Q4"), "counts"),
    isolated=frozenset({"quick", "full"}),
)
