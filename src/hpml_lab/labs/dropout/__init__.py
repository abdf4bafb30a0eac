"""Dropout lab, 1(a) to 1(h): least squares and descent on one row, with and without dropout."""

from hpml_lab.labs.question import Question

# Number of seeds with the large batch.
SEEDS = {"quick": 5, "short": 5, "full": 10}
QUESTION = Question(
    folder="dropout",
    title="Dropout lab",
    group="dropout",
    items=tuple(f"1({part})" for part in "abcdefgh"),
    sizes=SEEDS,
)
