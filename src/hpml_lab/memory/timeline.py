"""Timeline of live bytes over one training step, with its peak.

A step is a list of events, each the allocation or the release of one block of memory. The list
comes from a recurrence over layers (`memory.recurrence`), a trace of the operators, or a real step
that is tracked while it runs. So predictions and measurements have the same type.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, chain, groupby
from typing import NamedTuple

from hpml_lab.errors import InputError, unknown
from hpml_lab.theory.validation import check_int

PHASES = ("before", "forward", "backward", "optimizer")
CATEGORIES = (
    "parameters",
    "buffers",
    "optimizer_state",
    "input",
    "activations",
    "gradients",
    "temporaries",
)


class Event(NamedTuple):
    """The allocation or the release of one block.

    Attributes:
        block: Number of the block, in order of allocation from 0.
        change_bytes: Size of the block, negative for a release.
        phase: Phase of the event, one of `PHASES`.
        layer: Path of the running module; empty outside all modules.
    """

    block: int
    change_bytes: int
    phase: str
    layer: str


@dataclass(frozen=True)
class Moment:
    """Live bytes after one event.

    Attributes:
        phase: Phase of the event, one of `PHASES`.
        layer: Path of the running module; empty outside all modules.
        live_bytes: Bytes by category, in the order of `CATEGORIES`, zeros included.
    """

    phase: str
    layer: str
    live_bytes: dict[str, int]

    @property
    def total_bytes(self) -> int:
        """Bytes of all categories."""
        return sum(self.live_bytes.values())


@dataclass(frozen=True)
class Timeline:
    """One training step as its events.

    Attributes:
        events: Events in chronological order.
        categories: Category of each block, one of `CATEGORIES`, by block number.
    """

    events: tuple[Event, ...]
    categories: tuple[str, ...]

    @property
    def totals(self) -> list[int]:
        """Live bytes after each event."""
        return list(accumulate(event.change_bytes for event in self.events))

    @property
    def peak_bytes(self) -> int:
        """Peak of live bytes; 0 without events."""
        return max(self.totals, default=0)

    @property
    def peak(self) -> Moment:
        """First moment at the peak.

        Raises:
            InputError: without events.
        """
        return max(self.moments(), key=lambda moment: moment.total_bytes)

    def moments(self) -> Iterator[Moment]:
        """Yields the moment after each event.

        Raises:
            InputError: without events.
        """
        if not self.events:
            raise InputError("the timeline has no events; record a step first")
        live = dict.fromkeys(CATEGORIES, 0)
        for event in self.events:
            live[self.categories[event.block]] += event.change_bytes
            yield Moment(event.phase, event.layer, dict(live))

    def outline(self) -> list[Moment]:
        """Returns the peak moment of each visit to a layer, in order: enough for a plot."""
        visits = groupby(self.moments(), key=lambda moment: (moment.phase, moment.layer))
        return [max(visit, key=lambda moment: moment.total_bytes) for _, visit in visits]

    def held_bytes(self, category: str, phase: str) -> int:
        """Returns the bytes of one category that are alive when a phase ends.

        Raises:
            InputError: for an unknown category or phase, or one without events.
        """
        if category not in CATEGORIES:
            raise unknown("category", category, CATEGORIES)
        phases = [event.phase for event in self.events]
        if phase not in phases:
            raise unknown("phase", phase, sorted(set(phases)))
        end = len(phases) - phases[::-1].index(phase)
        return sum(
            event.change_bytes
            for event in self.events[:end]
            if self.categories[event.block] == category
        )


class Recorder:
    """Records a timeline.

    A block is a temporary until it gets another label; a label holds for the whole lifetime of a
    block, also before it was set.

    Attributes:
        phase: Phase of the next events, one of `PHASES`.
        layer: Path of the running module.
    """

    def __init__(self) -> None:
        self.phase = "before"
        self.layer = ""
        self._events: list[Event] = []
        self._sizes: list[int] = []
        self._categories: list[str] = []
        self._live: set[int] = set()
        self._live_bytes = 0

    def allocate(self, size_bytes: int, category: str = "temporaries") -> int:
        """Records an allocation; returns the block's number.

        Raises:
            InputError: for a negative size.
        """
        block = len(self._sizes)
        self._sizes.append(check_int("size_bytes", size_bytes))
        self._categories.append(category)
        self._live.add(block)
        self._live_bytes += size_bytes
        self._events.append(Event(block, size_bytes, self.phase, self.layer))
        return block

    def free(self, block: int) -> None:
        """Records the release of a block; nothing happens if it is not alive."""
        if block in self._live:
            self._live.remove(block)
            self._live_bytes -= self._sizes[block]
            self._events.append(Event(block, -self._sizes[block], self.phase, self.layer))

    def label(self, block: int, category: str) -> None:
        """Sets the category of a block."""
        self._categories[block] = category

    def keep_activations(self) -> None:
        """Ends the forward pass: labels its live temporaries as activations."""
        for block in self._live:
            if self._categories[block] == "temporaries":
                self._categories[block] = "activations"

    @property
    def live_bytes(self) -> int:
        """Bytes alive now."""
        return self._live_bytes

    def timeline(self) -> Timeline:
        """Returns the recorded timeline, with consecutive releases sorted by block number.

        PyTorch frees the copies that autocast made in the order of a hash table, which differs
        between runs.
        """
        rows = groupby(self._events, lambda e: (e.change_bytes <= 0, e.phase, e.layer))
        events = (sorted(row) if release else row for (release, _, _), row in rows)
        return Timeline(tuple(chain.from_iterable(events)), tuple(self._categories))


@dataclass(frozen=True)
class LayerMemory:
    """Live memory that one layer allocated.

    Attributes:
        layer: Path of the layer; empty outside all modules, such as for the loss.
        kept_bytes: Activations after the forward pass.
        peak_bytes: Live bytes at the step's peak, without parameters, buffers, optimizer state and
            input, which exist before the step.
    """

    layer: str
    kept_bytes: int
    peak_bytes: int


def by_layer(timeline: Timeline) -> list[LayerMemory]:
    """Returns the layers with activations or with live bytes at the peak, in execution order."""
    last = max((i for i, e in enumerate(timeline.events) if e.phase == "forward"), default=-1)
    kept = _alive(timeline, last + 1, activations_only=True)
    totals = timeline.totals
    peak = _alive(timeline, totals.index(max(totals)) + 1 if totals else 0)
    return [
        LayerMemory(layer, kept.get(layer, 0), peak.get(layer, 0))
        for layer in dict.fromkeys((*kept, *peak))
    ]


def grouped(layers: list[LayerMemory], most: int) -> list[LayerMemory]:
    """Returns layers summed by the longest path prefixes that give at most `most` rows.

    Args:
        layers: Layers of one step.
        most: Largest number of rows; exceeded if the first parts of the paths alone are more.
    """
    depth = max((layer.layer.count(".") + 1 for layer in layers), default=1)
    while depth > 1 and len({_prefix(layer.layer, depth) for layer in layers}) > most:
        depth -= 1
    groups: dict[str, list[LayerMemory]] = {}
    for layer in layers:
        groups.setdefault(_prefix(layer.layer, depth), []).append(layer)
    return [
        LayerMemory(name, sum(p.kept_bytes for p in parts), sum(p.peak_bytes for p in parts))
        for name, parts in groups.items()
    ]


def _prefix(layer: str, depth: int) -> str:
    return ".".join(layer.split(".")[:depth])


def _alive(timeline: Timeline, end: int, *, activations_only: bool = False) -> dict[str, int]:
    """Returns the live bytes after `end` events, by the layer that allocated them."""
    alive: dict[int, tuple[str, int]] = {}
    for event in timeline.events[:end]:
        if event.change_bytes < 0:
            alive.pop(event.block, None)
        elif event.phase != "before":
            alive[event.block] = event.layer, event.change_bytes
    by_path: dict[str, int] = {}
    for block, (layer, size) in alive.items():
        if not activations_only or timeline.categories[block] == "activations":
            by_path[layer] = by_path.get(layer, 0) + size
    return by_path
