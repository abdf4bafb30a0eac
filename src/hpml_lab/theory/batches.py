"""The timeline of a step of any batch, computed from those of two and proven by a third.

What a step allocates is affine in its batch of N samples: each block takes a + b N bytes. Two
timelines say a and b of every block. The step does something else for another batch, and each is
planned by itself, where their events differ, where b is not whole (what is rounded up), where a is
below 0 (what grows with the square of the batch), or where the third is another one. A batch of 1
is always planned by itself.
"""

from collections.abc import Callable
from contextlib import suppress

from hpml_lab.errors import InputError
from hpml_lab.theory.timeline import Event, Timeline

Plan = Callable[[int], Timeline]
_Line = Callable[[int], Timeline]

_PROBES = (2, 67, 31)  # two primes, so that they are apart from few batches by a power of two


class Batches:
    """Timelines by batch: three are planned, the others computed where that is proven.

    Args:
        plan: gives a step's timeline for a batch.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._known: dict[int, Timeline] = {}
        self._single: Timeline | None = None
        self._line: _Line | None = None
        self._tried = False

    def __call__(self, batch: int) -> Timeline:
        """Returns the timeline of a batch.

        Raises:
            InputError: if no step of such a batch can be taken.
        """
        if batch == 1:  # a view where others are copied: their samples are not in a row
            self._single = self._single or self._plan(batch)
            return self._single
        if self._known and batch not in self._known and not self._tried:
            self._tried = True
            with suppress(InputError):  # a batch of the proof may be one that cannot be taken
                self._prove()
        if batch not in self._known:
            self._known[batch] = self._line(batch) if self._line else self._plan(batch)
        return self._known[batch]

    def _prove(self) -> None:
        (batch,) = self._known
        other, third = [probe for probe in _PROBES if probe != batch][:2]
        for probe in (other, third):
            self._known[probe] = self._plan(probe)
        found = line(batch, self._known[batch], other, self._known[other])
        if found is not None and found(third) == self._known[third]:
            self._line = found


def line(one: int, first: Timeline, other: int, second: Timeline) -> _Line | None:
    """Returns what gives the timeline of any batch; None if the step is not affine in it.

    Args:
        one: a batch.
        first: its timeline.
        other: another batch.
        second: its timeline.
    """
    if first.categories != second.categories or len(first.events) != len(second.events):
        return None
    pairs = list(zip(first.events, second.events, strict=True))
    if not all(_alike(*pair) for pair in pairs):
        return None
    divided = [divmod(b.change_bytes - a.change_bytes, other - one) for a, b in pairs]
    slopes = [slope for slope, rest in divided if not rest]
    if len(slopes) < len(pairs):
        return None
    fixed = [a.change_bytes - one * slope for (a, _), slope in zip(pairs, slopes, strict=True)]
    if any(base * event.change_bytes < 0 for base, event in zip(fixed, first.events, strict=True)):
        return None

    blocks, _, phases, layers = zip(*first.events, strict=True) if pairs else ((), (), (), ())

    def timeline(batch: int) -> Timeline:
        changes = [base + batch * slope for base, slope in zip(fixed, slopes, strict=True)]
        return Timeline(tuple(map(Event, blocks, changes, phases, layers)), first.categories)

    return timeline


def _alike(one: Event, other: Event) -> bool:
    same = (one.block, one.phase, one.layer) == (other.block, other.phase, other.layer)
    return same and (one.change_bytes > 0) == (other.change_bytes > 0)
