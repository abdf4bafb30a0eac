"""C8: torch.compile: cost in the first epoch, saving in later epochs, and memory."""

from dataclasses import dataclass

from hpml_lab.comparison.ratios import Contrast
from hpml_lab.labs.question import Published, Question


@dataclass(frozen=True)
class Sizes:
    """The sizes of a profile.

    Attributes:
        images: number of images of an epoch, a multiple of the batch size: a last, smaller batch
            would be compiled a second time.
        autotuned: whether to run the mode that autotunes kernels for minutes.
    """

    images: int
    autotuned: bool = True


WARM_UP, ROUNDS = 5, 5  # epochs
SIZES = {"quick": Sizes(512), "short": Sizes(2560, autotuned=False), "full": Sizes(49_920)}
QUESTION = Question(
    folder="compile_modes",
    title="Compile modes",
    group="compile_modes",
    items=("C8",),
    sizes=SIZES,
    contrasts=(
        Contrast("Compile modes: time of a later epoch", "compile_modes", "compile_mode", "eager"),
    ),
    published=Published(("C8",), warm_up=WARM_UP),
)
