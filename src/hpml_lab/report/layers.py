"""Which layers a step's memory is in, as a record and as a table."""

from dataclasses import asdict
from typing import Any

from hpml_lab.report.answers.answer import Answer
from hpml_lab.theory.by_layer import by_layer, grouped
from hpml_lab.theory.timeline import Timeline
from hpml_lab.units import mebibytes

_MOST_ROWS = 30
OUTSIDE = "(outside the modules)"


def layers_record(timeline: Timeline) -> list[dict[str, Any]]:
    """Returns the layers as JSON takes them."""
    return [asdict(layer) for layer in by_layer(timeline)]


def layers_answer(heading: str, timeline: Timeline) -> Answer:
    """Returns the layers as a table, blocks added up where there are many."""
    layers = grouped(by_layer(timeline), _MOST_ROWS)
    return Answer(
        "",
        "Memory by layer",
        heading,
        ["layer", "kept for the backward pass", "at the peak"],
        [[x.layer or OUTSIDE, mebibytes(x.kept_bytes), mebibytes(x.peak_bytes)] for x in layers],
        ["At the peak: what was allocated in the step; parameters and state are there before it."],
    )
