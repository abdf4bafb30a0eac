"""Waits, for a bounded time, until others leave the processors to what is to be measured."""

import time
from collections.abc import Callable

from hpml_lab.measure.load import LARGEST_LOAD, Busy, busy
from hpml_lab.units import percent

LOOK_S = 1.0


def wait_until_quiet(
    limit_s: float,
    say: Callable[[str], None],
    *,
    look: Callable[[], Busy] = busy,
    pause: Callable[[float], None] = time.sleep,
) -> float | None:
    """Returns the share of the processors that others took when the waiting ended.

    Args:
        limit_s: to wait at most; 0 looks nowhere.
        say: is told that a wait begins, and that it was in vain.
        look: how busy the processors have been.
        pause: waits for seconds.

    Returns:
        None where it cannot be told, or where nobody looked.
    """
    if limit_s <= 0:
        return None
    began, others, told = look(), None, False
    waited_s = 0.0
    while waited_s < limit_s:
        pause(LOOK_S)
        waited_s += LOOK_S
        now = look()
        others = began.others(now)
        if others is None or others <= LARGEST_LOAD:
            return others
        if not told:
            say(f"Waiting for a quiet machine: others take {percent(others)} of its processors ...")
            told = True
        began = now
    say(f"Not quiet after {limit_s:g} s: others take {percent(others or 0.0)}; measuring anyway.")
    return others
