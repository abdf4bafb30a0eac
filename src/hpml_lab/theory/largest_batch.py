"""The largest batch whose step fits into a given memory."""

from collections.abc import Callable
from functools import cache

from hpml_lab.errors import InputError, NothingFitsError
from hpml_lab.theory.scalars import whole
from hpml_lab.theory.timeline import Timeline
from hpml_lab.units import mebibytes

_PROBES = (2, 4)
_FASTER = 4  # each step of the search is so many times as long as the one before

Plan = Callable[[int], Timeline]
Fits = Callable[[Timeline], bool]


def largest_batch(plan: Plan, limit_bytes: int, fits: Fits | None = None) -> int:
    """Returns the largest batch that fits: by default, whose peak is within the limit.

    The live bytes behind each event are a line in the batch, a + b N, so two plans predict the
    peak of every batch: two more prove the answer, the batch itself and the next one. Where plans
    of different batches have different events, or the lines are not straight, it is searched for.

    Args:
        plan: gives a step's timeline for a batch; a larger batch must not need less.
        limit_bytes: what may be alive at once.
        fits: says whether a timeline fits, if more counts than its peak; a timeline beyond the
            limit must not.

    Raises:
        NothingFitsError: if not even one sample fits.
        InputError: if memory does not grow with the batch.
    """
    whole("limit_bytes", limit_bytes)
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
        raise InputError("the plan's memory does not grow with the batch, so no batch is largest")
    return min(crossings)


def _last(fits: Callable[[int], bool], guess: int) -> int:
    """Returns the last number that fits; 1 does, and none behind one that does not."""
    most, step = guess, 1
    while not fits(most) and most > 1:
        most, step = max(1, most - step), _FASTER * step
    least, step = most, 1
    while fits(least + step):
        least, step = least + step, _FASTER * step
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
