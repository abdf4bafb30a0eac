"""The timeline of a step of any batch size, computed from two plans and verified by a third.

The allocations of a step are affine in its batch of N samples: each block takes a + b N bytes. Two
timelines give a and b of every block. A step is not affine, and each batch is planned separately,
if the events differ, if b is not whole (rounded sizes), if a is below 0 (sizes that grow with the
square of the batch), or if the third timeline differs. A batch of 1 is always planned separately.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache

from hpml_lab.errors import InputError, NothingFitsError
from hpml_lab.memory.timeline import Event, Timeline
from hpml_lab.theory.validation import check_int
from hpml_lab.units import mebibytes

Plan = Callable[[int], Timeline]
_Line = Callable[[int], Timeline]

_TRACED = (2, 67, 31)  # two primes, so that few batches differ from them by a power of two


class Batches:
    """Timelines by batch: three are planned, the others computed if the step is affine.

    Args:
        plan: Returns the timeline of a step for a batch.
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
            InputError: if the step cannot run with such a batch.
        """
        if batch == 1:  # a view, where other batches are copied because they are not contiguous
            self._single = self._single or self._plan(batch)
            return self._single
        if self._known and batch not in self._known and not self._tried:
            self._tried = True
            with suppress(InputError):  # the step may not run with a batch of the check
                self._fit_line()
        if batch not in self._known:
            self._known[batch] = self._line(batch) if self._line else self._plan(batch)
        return self._known[batch]

    def _fit_line(self) -> None:
        (batch,) = self._known
        other, third = [probe for probe in _TRACED if probe != batch][:2]
        for probe in (other, third):
            self._known[probe] = self._plan(probe)
        affine = line(batch, self._known[batch], other, self._known[other])
        if affine is not None and affine(third) == self._known[third]:
            self._line = affine


def line(one: int, first: Timeline, other: int, second: Timeline) -> _Line | None:
    """Returns the function from batch to timeline; None if the step is not affine in the batch.

    Args:
        one: A batch.
        first: Its timeline.
        other: Another batch.
        second: Its timeline.
    """
    if first.categories != second.categories or len(first.events) != len(second.events):
        return None
    pairs = list(zip(first.events, second.events, strict=True))
    if not all(_equal_but_size(*pair) for pair in pairs):
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


def _equal_but_size(one: Event, other: Event) -> bool:
    same = (one.block, one.phase, one.layer) == (other.block, other.phase, other.layer)
    return same and (one.change_bytes > 0) == (other.change_bytes > 0)


_PROBES = (2, 4)
_FASTER = 4  # growth factor of the search's steps
_MOST = 2**36  # samples of a batch; a step that still fits does not grow with it
_NO_LARGEST = "the plan's memory does not grow with the batch, so no batch is largest"

Fits = Callable[[Timeline], bool]


def largest_batch(plan: Plan, limit_bytes: int, fits: Fits | None = None) -> int:
    """Returns the largest batch that fits: by default, whose peak is within the limit.

    The live bytes after each event are affine in the batch, a + b N, so two plans predict the peak
    of every batch; two more verify the answer, the batch itself and the next one. If the plans have
    different events, or are not affine, the batch is searched for.

    Args:
        plan: Returns the timeline of a step for a batch; a larger batch must not need less.
        limit_bytes: Largest number of live bytes.
        fits: Whether a timeline fits, if more than its peak counts; a timeline beyond the limit
            must not fit.

    Raises:
        NothingFitsError: if a batch of one sample does not fit.
        InputError: if memory does not grow with the batch.
    """
    check_int("limit_bytes", limit_bytes)
    few, many = (plan(batch) for batch in _PROBES)
    known = dict(zip(_PROBES, (few, many), strict=True))

    @cache
    def holds(batch: int) -> bool:
        timeline = known.get(batch) or plan(batch)
        return timeline.peak_bytes <= limit_bytes and (fits is None or fits(timeline))

    if not holds(_PROBES[0]) and not holds(1):
        raise _too_small(plan(1), limit_bytes)
    return _last(holds, max(1, _predicted(few, many, limit_bytes)))


def _predicted(few: Timeline, many: Timeline, limit_bytes: int) -> int:
    lines = [(few.peak_bytes, many.peak_bytes)]
    if len(few.events) == len(many.events):
        lines = list(zip(few.totals, many.totals, strict=True))
    step = _PROBES[1] - _PROBES[0]
    crossings = [
        _PROBES[0] + step * (limit_bytes - less) // (more - less)
        for less, more in lines
        if more > less
    ]
    if not crossings:
        raise InputError(_NO_LARGEST)
    return min(crossings)


def _last(fits: Callable[[int], bool], guess: int) -> int:
    """Returns the last number that fits; 1 fits, and no number after one that does not."""
    most, step = guess, 1
    while not fits(most) and most > 1:
        most, step = max(1, most - step), _FASTER * step
    least, step = most, 1
    while fits(least + step):
        least, step = least + step, _FASTER * step
        if least > _MOST:
            raise InputError(_NO_LARGEST)
    beyond = least + step
    while beyond - least > 1:
        middle = (least + beyond) // 2
        least, beyond = (middle, beyond) if fits(middle) else (least, middle)
    return least


def _too_small(one: Timeline, limit_bytes: int) -> NothingFitsError:
    held = {name: size for name, size in one.peak.live_bytes.items() if size}
    parts = ", ".join(f"{mebibytes(size)} {name}" for name, size in held.items())
    more = " and what a GPU adds" if one.peak_bytes <= limit_bytes else ""
    return NothingFitsError(
        f"one sample needs {mebibytes(one.peak_bytes)} ({parts}){more}, and "
        f"{mebibytes(limit_bytes)} are there; give more memory or choose a smaller network"
    )
