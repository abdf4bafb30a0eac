"""The largest batch whose step fits into a given memory."""

from collections.abc import Callable

from hpml_lab.errors import InputError
from hpml_lab.theory.scalars import whole
from hpml_lab.theory.timeline import Timeline
from hpml_lab.units import mebibytes

_PROBES = (2, 4)

Plan = Callable[[int], Timeline]


def largest_batch(plan: Plan, limit_bytes: int) -> int:
    """Returns the largest batch whose peak is within the limit.

    The live bytes behind each event are a line in the batch, a + b N, so two plans foretell the
    peak of every batch: two more prove the answer, the batch itself and the next one. Where plans
    of different batches have different events, or the lines are not straight, it is searched for.

    Args:
        plan: gives a step's timeline for a batch; a larger batch must not need less.
        limit_bytes: what may be alive at once.

    Raises:
        InputError: if not even one sample fits, or memory does not grow with the batch.
    """
    whole("limit_bytes", limit_bytes)
    peaks: dict[int, int] = {}

    def fits(batch: int) -> bool:
        if batch not in peaks:
            peaks[batch] = plan(batch).peak_bytes
        return peaks[batch] <= limit_bytes

    few, many = (plan(batch) for batch in _PROBES)
    peaks |= {_PROBES[0]: few.peak_bytes, _PROBES[1]: many.peak_bytes}
    if not fits(_PROBES[0]) and not fits(1):
        raise _too_small(plan(1), limit_bytes)
    return _last(fits, max(1, _foretold(few, many, limit_bytes)))


def _foretold(few: Timeline, many: Timeline, limit_bytes: int) -> int:
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
        most, step = max(1, most - step), 2 * step
    least, step = most, 1
    while fits(least + step):
        least, step = least + step, 2 * step
    beyond = least + step
    while beyond - least > 1:
        middle = (least + beyond) // 2
        least, beyond = (middle, beyond) if fits(middle) else (least, middle)
    return least


def _too_small(one: Timeline, limit_bytes: int) -> InputError:
    held = {name: size for name, size in one.peak.live_bytes.items() if size}
    parts = ", ".join(f"{mebibytes(size)} {name}" for name, size in held.items())
    return InputError(
        f"one sample needs {mebibytes(one.peak_bytes)} ({parts}) and {mebibytes(limit_bytes)} are "
        "there; give more memory or choose a smaller network"
    )
