"""GPU-memory lab: the memory of a training step, predicted and measured."""

from dataclasses import dataclass

from hpml_lab.comparison.ratios import Contrast
from hpml_lab.labs.question import Published, Question

_READINGS = ("tracked_peak_bytes", "peak_allocated_bytes", "device_used_bytes")


@dataclass(frozen=True)
class Sizes:
    """The sizes of a profile.

    Attributes:
        batch: samples of a step.
        image: side of the images of ResNet-152, in pixels.
    """

    batch: int
    image: int


SIZES = {"quick": Sizes(8, 32), "short": Sizes(128, 224), "full": Sizes(128, 224)}
QUESTION = Question(
    folder="memory_plan",
    title="Memory of a step",
    group="memory_plan",
    items=("2(a)", "3(a)"),
    sizes=SIZES,
    contrasts=(
        Contrast(
            "Optimizers: memory of a step",
            "memory_plan",
            "optimizer",
            "sgd",
            readings=_READINGS,
        ),
        Contrast(
            "Batch size: memory of a step",
            "memory_plan",
            "batch_size",
            4,
            ("images", "learning_rate", "seed"),
            readings=_READINGS,
        ),
    ),
    published=Published(("Q2a", "5(b)", "Q3a", "5(c)"), "bytes"),
    isolated=frozenset({"quick", "full"}),
)
