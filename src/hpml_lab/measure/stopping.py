"""When a process has measured enough rounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hpml_lab.measure.median import median_interval
from hpml_lab.measure.record import Stopped
from hpml_lab.measure.stability import FEWEST_ROUNDS

PRECISION = 0.01
PRECISE_ROUNDS = 20  # so that a drift or a second mode can be seen
MOST_ROUNDS = 10_000


class StoppingRule(Protocol):
    """Asked after every round; ends every measurement, though the clock may stand still."""

    def reason(self, rounds_s: Sequence[float], spent_s: float) -> Stopped | None:
        """Returns why to stop now, or None to go on.

        Args:
            rounds_s: seconds of an iteration in each round so far.
            spent_s: seconds since the first of them began.
        """
        ...


@dataclass(frozen=True)
class UntilPrecise:
    """Stops when the median is known well enough or the time is spent.

    Attributes:
        budget_s: seconds for the rounds of a case.
        least: rounds before which it never stops.
        precision: how far the ends of the median's interval may be from it, as a share.
        most: rounds after which it always stops.
    """

    budget_s: float = 1.0
    least: int = FEWEST_ROUNDS
    precision: float = PRECISION
    most: int = MOST_ROUNDS

    def reason(self, rounds_s: Sequence[float], spent_s: float) -> Stopped | None:
        """Returns why to stop now, or None to go on; see `StoppingRule`."""
        count = len(rounds_s)
        if count < self.least:
            return None
        if _is_look(count) and self._precise(rounds_s):
            return "precise"
        if spent_s >= self.budget_s:
            return "budget"
        return "most rounds" if count >= self.most else None

    def _precise(self, rounds_s: Sequence[float]) -> bool:
        found = median_interval(rounds_s)
        if found is None:
            return False
        low, high = found
        return high - low <= self.precision * (high + low)


def _is_look(count: int) -> bool:
    """Returns whether to look at the interval now.

    Who looks after every round stops at the first that is short by chance, and so knows less than
    he says; here looks are a tenth of the rounds apart.
    """
    return count >= PRECISE_ROUNDS and count % max(count // 10, 1) == 0
