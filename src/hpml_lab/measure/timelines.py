"""What a saved run keeps of a step's timeline: its sizes, and an outline for a picture."""

from itertools import groupby

from hpml_lab.measure.record import Row
from hpml_lab.theory.timeline import CATEGORIES, Timeline

_DEPTH = 2  # a residual network's blocks, such as layer3.17


def sizes(timeline: Timeline) -> dict[str, int]:
    """Returns the most bytes that each category had at once, and all of them together.

    Returns:
        ``parameters_bytes``, ``activations_bytes`` (kept for the backward pass) and so on for all
        `theory.timeline.CATEGORIES`, and ``peak_bytes``, which is less than their sum.
    """
    moments = list(timeline.moments())
    most = {name: max(moment.live_bytes[name] for moment in moments) for name in CATEGORIES}
    return {f"{name}_bytes": size for name, size in most.items()} | {
        "peak_bytes": timeline.peak_bytes
    }


def backward_peak_bytes(timeline: Timeline) -> int:
    """Returns the most bytes alive in the backward pass.

    The first step's is less than a later one's by the optimizer's state, which is not there yet.
    """
    pairs = zip(timeline.totals, timeline.events, strict=True)
    return max(total for total, event in pairs if event.phase == "backward")


def condensed(timeline: Timeline) -> list[Row]:
    """Returns the fullest moment of each visit to a block, such as ``layer3.17``, in order.

    The peak of the step is one of them, under the name of its layer. ResNet-152 has 115 of them.
    """
    visits = groupby(timeline.outline(), key=lambda moment: (moment.phase, _block(moment.layer)))
    fullest = [max(visit, key=lambda moment: moment.total_bytes) for _, visit in visits]
    return [Row(of.phase, of.layer, [of.live_bytes[name] for name in CATEGORIES]) for of in fullest]


def _block(layer: str) -> str:
    return ".".join(layer.split(".")[:_DEPTH])
