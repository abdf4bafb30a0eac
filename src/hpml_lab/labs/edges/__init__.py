"""The edge lab, Q1 to Q7: small networks trained on images of stripes, over several seeds."""

from dataclasses import dataclass

from hpml_lab.labs.question import Question


@dataclass(frozen=True)
class Sizes:
    """The sizes of a profile.

    Attributes:
        seeds: number of networks of each configuration.
        images: largest number of training images of a class.
        epochs: largest number of epochs.
    """

    seeds: int
    images: int
    epochs: int


_SMALL = Sizes(4, 20, 100)
SIZES = {"quick": _SMALL, "short": _SMALL, "full": Sizes(8, 500, 600)}
QUESTION = Question(
    folder="edges",
    title="Edge lab",
    group="edges",
    items=tuple(f"edges Q{number}" for number in range(1, 8)),
    sizes=SIZES,
)
