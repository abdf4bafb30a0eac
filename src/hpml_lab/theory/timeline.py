"""Live bytes over one training step: what is alive when, and the fullest moment.

A step is a list of events, each the allocation or the release of one block of memory. Who writes
the list does not matter: a recurrence over layers (`theory.memory`), a trace of the operators, or
a real step watched while it runs. So a prediction and a measurement are the same kind of thing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, chain, groupby
from typing import NamedTuple

from hpml_lab.errors import InputError, unknown
from hpml_lab.theory.scalars import whole

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
        block: the block's number, in order of allocation from 0.
        change_bytes: its size, negative for a release.
        phase: one of `PHASES`, when it happened.
        layer: the path of the module at work then; empty outside all modules.
    """

    block: int
    change_bytes: int
    phase: str
    layer: str


@dataclass(frozen=True)
class Moment:
    """What is alive behind one event.

    Attributes:
        phase: one of `PHASES`.
        layer: the path of the module at work; empty outside all modules.
        live_bytes: bytes by category, in the order of `CATEGORIES`, zeros included.
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
        events: in the order in which they happened.
        categories: one of `CATEGORIES` for each block, by its number.
    """

    events: tuple[Event, ...]
    categories: tuple[str, ...]

    @property
    def totals(self) -> list[int]:
        """Live bytes behind each event."""
        return list(accumulate(event.change_bytes for event in self.events))

    @property
    def peak_bytes(self) -> int:
        """The most bytes alive at once; 0 without events."""
        return max(self.totals, default=0)

    @property
    def peak(self) -> Moment:
        """The first moment at which so many bytes are alive.

        Raises:
            InputError: without events.
        """
        return max(self.moments(), key=lambda moment: moment.total_bytes)

    def moments(self) -> Iterator[Moment]:
        """Yields what is alive behind each event.

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
        """Returns the fullest moment of each visit to a layer, in order: enough for a picture."""
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
    """Writes a timeline.

    What is allocated is a temporary until it is labelled otherwise; a label holds for the whole
    life of a block, also for the part before it was given.

    Attributes:
        phase: one of `PHASES`; where the next events belong.
        layer: the path of the module at work.
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
        """Notes an allocation; returns the block's number.

        Raises:
            InputError: for a negative size.
        """
        block = len(self._sizes)
        self._sizes.append(whole("size_bytes", size_bytes))
        self._categories.append(category)
        self._live.add(block)
        self._live_bytes += size_bytes
        self._events.append(Event(block, size_bytes, self.phase, self.layer))
        return block

    def free(self, block: int) -> None:
        """Notes the release of a block; nothing happens if it is not alive."""
        if block in self._live:
            self._live.remove(block)
            self._live_bytes -= self._sizes[block]
            self._events.append(Event(block, -self._sizes[block], self.phase, self.layer))

    def label(self, block: int, category: str) -> None:
        """Says what a block is."""
        self._categories[block] = category

    def keep_activations(self) -> None:
        """Says that the forward pass has ended: what it left alive is kept for the backward one."""
        for block in self._live:
            if self._categories[block] == "temporaries":
                self._categories[block] = "activations"

    @property
    def live_bytes(self) -> int:
        """Bytes alive now."""
        return self._live_bytes

    def timeline(self) -> Timeline:
        """Returns what was recorded so far, releases in a row by their blocks' numbers.

        PyTorch lets go of the copies that autocast made in the order of a hash table, which is
        another one each time.
        """
        rows = groupby(self._events, lambda e: (e.change_bytes <= 0, e.phase, e.layer))
        events = (sorted(row) if release else row for (release, _, _), row in rows)
        return Timeline(tuple(chain.from_iterable(events)), tuple(self._categories))
