"""C5: the same epochs on the CPU and on the GPU."""

from hpml_lab.comparison.ratios import Contrast
from hpml_lab.labs.question import Published, Question

# Number of images of an epoch, which must be feasible on a CPU.
IMAGES = {"quick": 1024, "short": 512, "full": 4096}
QUESTION = Question(
    folder="device",
    title="GPU against CPU",
    group="device",
    items=("C5",),
    sizes=IMAGES,
    contrasts=(Contrast("Device: time of an epoch", "device", "device", "cuda", ("pin_memory",)),),
    published=Published(("C5",)),
)
