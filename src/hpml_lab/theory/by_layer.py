"""Which layers a step's memory is in."""

from dataclasses import dataclass

from hpml_lab.theory.timeline import Timeline


@dataclass(frozen=True)
class LayerMemory:
    """What one layer allocated and is still there.

    Attributes:
        layer: its path; empty for what happens outside all modules, such as the loss.
        kept_bytes: activations behind the forward pass.
        peak_bytes: of all that is alive at the step's peak, but for parameters, buffers, optimizer
            state and input, which are there before it.
    """

    layer: str
    kept_bytes: int
    peak_bytes: int


def by_layer(timeline: Timeline) -> list[LayerMemory]:
    """Returns the layers that keep something or hold something at the peak, in order of work."""
    last = max((i for i, e in enumerate(timeline.events) if e.phase == "forward"), default=-1)
    kept = _alive(timeline, last + 1, activations_only=True)
    totals = timeline.totals
    peak = _alive(timeline, totals.index(max(totals)) + 1 if totals else 0)
    return [
        LayerMemory(layer, kept.get(layer, 0), peak.get(layer, 0))
        for layer in dict.fromkeys((*kept, *peak))
    ]


def grouped(layers: list[LayerMemory], most: int) -> list[LayerMemory]:
    """Returns at most so many rows: layers added up by the longest beginnings that allow it.

    Args:
        layers: of one step.
        most: rows, at least as many as there are first parts of paths, or these are what comes.
    """
    depth = max((layer.layer.count(".") + 1 for layer in layers), default=1)
    while depth > 1 and len({_beginning(layer.layer, depth) for layer in layers}) > most:
        depth -= 1
    groups: dict[str, list[LayerMemory]] = {}
    for layer in layers:
        groups.setdefault(_beginning(layer.layer, depth), []).append(layer)
    return [
        LayerMemory(name, sum(p.kept_bytes for p in parts), sum(p.peak_bytes for p in parts))
        for name, parts in groups.items()
    ]


def _beginning(layer: str, depth: int) -> str:
    return ".".join(layer.split(".")[:depth])


def _alive(timeline: Timeline, end: int, *, activations_only: bool = False) -> dict[str, int]:
    """Returns the bytes behind so many events by the layer that allocated them."""
    alive: dict[int, tuple[str, int]] = {}
    for event in timeline.events[:end]:
        if event.change_bytes < 0:
            alive.pop(event.block, None)
        elif event.phase != "before":
            alive[event.block] = event.layer, event.change_bytes
    found: dict[str, int] = {}
    for block, (layer, size) in alive.items():
        if not activations_only or timeline.categories[block] == "activations":
            found[layer] = found.get(layer, 0) + size
    return found
