"""One test's benchmark; this module and `session` alone touch pytest-benchmark's objects."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from hpml_lab.measure.record import Sampling

if TYPE_CHECKING:
    from hpml_lab.measure.clock import Clock

_COMPARISON = pytest.StashKey[Any]()


class Bench:
    """One test's `benchmark` fixture.

    Args:
        fixture: pytest-benchmark's ``BenchmarkFixture``.
    """

    def __init__(self, fixture: Any) -> None:
        self._fixture = fixture

    def describe(self, record: dict[str, Any]) -> None:
        """Sets what is saved beside the statistics: our record, and its case as parameters."""
        if self._fixture.stats is not None:
            self._fixture.stats.params = record["case"]
        self._fixture.extra_info["hpml"] = record

    def discard(self) -> None:
        """Leaves no result of this test."""
        self._fixture.has_error = True

    def rounds_s(self) -> list[float]:
        """Seconds of an iteration in each round; empty while nothing is measured."""
        return list(self._fixture.stats.stats.data) if self._fixture.stats else []

    def time(self, step: Callable[[], Any], clock: "Clock") -> tuple[Any, Sampling | None]:
        """Samples a step; pytest-benchmark's options say for how long and in how many rounds.

        Args:
            step: what to time.
            clock: of the device that it works on.

        Returns:
            what a further call outside all rounds returned, and how the rounds were taken; None
            where nothing is measured.
        """
        stock = self._fixture
        if stock.disabled:
            return stock(step), None
        from hpml_lab.measure.sampling import ROUND_S, sample
        from hpml_lab.measure.stopping import UntilPrecise

        taken = sample(
            step,
            clock,
            UntilPrecise(budget_s=stock._max_time, least=stock._min_rounds),
            warm_up_s=stock._max_time / 2,
            round_s=max(stock._min_time, ROUND_S),
        )
        self._prepare(clock.now_s)
        result = stock.pedantic(step)  # one round, which is replaced by those that were sampled
        stock.stats.iterations = taken.how.iterations
        stock.stats.stats.data[:] = taken.rounds_s
        return result, taken.how

    def time_exactly(
        self,
        step: Callable[[], Any],
        timer: Callable[[], float],
        *,
        rounds: int,
        warm_up: int,
        behind: Callable[[], None] | None = None,
    ) -> Any:
        """Calls a step once in each round, behind a number of calls outside the statistics.

        Args:
            step: what to time.
            timer: a monotonic clock in seconds.
            rounds: how often.
            warm_up: how many further calls come before.
            behind: called after each round, outside its time.
        """
        self._prepare(timer)
        return self._fixture.pedantic(step, teardown=behind, rounds=rounds, warmup_rounds=warm_up)

    def _prepare(self, timer: Callable[[], float]) -> None:
        # A collection inside a round would be timed with it.
        self._fixture._disable_gc = True
        self._fixture._timer = timer
