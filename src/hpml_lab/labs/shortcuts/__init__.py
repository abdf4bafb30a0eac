"""Dropout lab, 1(i): whether dropout keeps a network from relying on label pixels alone."""

from dataclasses import dataclass

from hpml_lab.labs.question import Question


@dataclass(frozen=True)
class Sizes:
    """The sizes of a profile.

    Attributes:
        images: number of training images; 0 for all.
        tests: number of test images; 0 for all.
        seeds: number of networks for each drop probability.
        batch: samples of a step.
        learning_rate: learning rate of plain SGD; larger where there are fewer or smaller steps.
    """

    images: int
    tests: int
    seeds: int
    batch: int
    learning_rate: float


_SMALL = Sizes(1600, 500, 3, 16, 6e-3)
SIZES = {"quick": _SMALL, "short": _SMALL, "full": Sizes(0, 0, 5, 64, 3e-3)}
QUESTION = Question(
    folder="shortcuts",
    title="Dropout and shortcuts",
    group="shortcuts",
    items=("1(i)",),
    sizes=SIZES,
)
