"""GPU-memory lab, section 3: time and accuracy of ten epochs by batch size."""

from dataclasses import dataclass

from hpml_lab.comparison.ratios import Contrast
from hpml_lab.labs.question import Published, Question


@dataclass(frozen=True)
class Sizes:
    """The sizes of a profile.

    Attributes:
        network: name of the network.
        images: number of images of an epoch.
        image: side of the images in pixels.
        workers: number of loader processes; resizing an image takes about 1 ms of one processor.
    """

    network: str
    images: int
    image: int
    workers: int


SIZES = {
    "quick": Sizes("resnet18-cifar", 256, 32, 0),
    "short": Sizes("resnet18", 256, 224, 8),
    "full": Sizes("resnet18", 4096, 224, 8),
}
QUESTION = Question(
    folder="batch_learning",
    title="Batch size: accuracy",
    group="batch_learning",
    items=("3(b)",),
    sizes=SIZES,
    contrasts=(
        Contrast(
            "Batch size: epoch time of a sample",
            "batch_learning",
            "batch_size",
            4,
            ("images", "learning_rate", "seed"),
            per_sample=True,
        ),
    ),
    published=Published(("5(c)",), samples=4096),
)
