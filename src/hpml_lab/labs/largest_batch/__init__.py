"""GPU-memory lab: the largest batch that fits into a given memory, predicted and verified."""

from hpml_lab.labs.question import Question
from hpml_lab.units import MIB

CARD_BYTES = 8188 * MIB  # the card of write-up 000
LIMIT_BYTES = {"quick": 64 * MIB, "short": CARD_BYTES, "full": CARD_BYTES}
QUESTION = Question(
    folder="largest_batch",
    title="Largest batch",
    group="largest_batch",
    sizes=LIMIT_BYTES,
    isolated=frozenset({"quick", "full"}),
)
