"""Stopping rules for the rounds of a case."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hpml_lab.measure.stability import FEWEST_ROUNDS
from hpml_lab.runs.schema import Stopped
from hpml_lab.stats.median import median_interval

PRECISION = 0.01
PRECISE_ROUNDS = 20  # enough to detect a drift or a second mode
MOST_ROUNDS = 10_000


class StoppingRule(Protocol):
    """Evaluated after every round; must end every measurement, even if the clock stands still."""

    def reason(self, rounds_s: Sequence[float], spent_s: float) -> Stopped | None:
        """Returns the reason to stop now, or None to continue.

        Args:
            rounds_s: Seconds per iteration of each round so far.
            spent_s: Seconds since the first round began.
        """
        ...


@dataclass(frozen=True)
class UntilPrecise:
    """Stops when the median is precise enough or the time is spent.

    Attributes:
        budget_s: Seconds for the rounds of a case.
        least: Minimum number of rounds.
        precision: Largest relative half-width of the median's confidence interval.
        most: Maximum number of rounds.
    """

    budget_s: float = 1.0
    least: int = FEWEST_ROUNDS
    precision: float = PRECISION
    most: int = MOST_ROUNDS

    def reason(self, rounds_s: Sequence[float], spent_s: float) -> Stopped | None:
        """Returns the reason to stop now, or None to continue; see `StoppingRule`."""
        count = len(rounds_s)
        if count < self.least:
            return None
        if _is_look(count) and self._precise(rounds_s):
            return "precise"
        if spent_s >= self.budget_s:
            return "budget"
        return "most rounds" if count >= self.most else None

    def _precise(self, rounds_s: Sequence[float]) -> bool:
        interval = median_interval(rounds_s)
        if interval is None:
            return False
        low, high = interval
        return high - low <= self.precision * (high + low)


def _is_look(count: int) -> bool:
    """Whether to evaluate the interval now.

    A rule that looked after every round would stop at the first interval that is narrow by chance,
    which lowers its coverage; looks are a tenth of the rounds apart.
    """
    return count >= PRECISE_ROUNDS and count % max(count // 10, 1) == 0
