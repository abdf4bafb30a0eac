"""One test's benchmark; this module and `session` alone touch pytest-benchmark's objects."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hpml_lab.runs.schema import Sampling

if TYPE_CHECKING:
    from hpml_lab.measure.clock import Clock
    from hpml_lab.measure.sampling import Rounds


class Bench:
    """One test's `benchmark` fixture.

    Args:
        fixture: pytest-benchmark's ``BenchmarkFixture``.
    """

    def __init__(self, fixture: Any) -> None:
        self._fixture = fixture

    def describe(self, record: dict[str, Any]) -> None:
        """Sets what is saved next to the statistics: our record, and its case as parameters."""
        if self._fixture.stats is not None:
            # --benchmark-group-by asks for any parameter, also one that names no case.
            parameters = (self._fixture.params or {}).items()
            others = {name: type(value).__qualname__ for name, value in parameters}
            self._fixture.stats.params = others | record["case"]
        self._fixture.extra_info["hpml"] = record

    def discard(self) -> None:
        """Discards the result of this test."""
        self._fixture.has_error = True
        # One line has said why nothing is measured; it would warn that nobody asked for it.
        self._fixture._mode = self._fixture._mode or "discarded"
        if self._fixture.stats is not None:
            self._fixture.stats.stats.data.clear()  # or the table at the end would show it

    @property
    def is_used(self) -> bool:
        """Whether the test has measured already, by this fixture or by the stock one."""
        return bool(self._fixture._mode)

    @property
    def budget_s(self) -> float:
        """Seconds that the rounds of a case may take."""
        return float(self._fixture._max_time)

    def rounds_s(self) -> list[float]:
        """Seconds of an iteration in each round; empty while nothing is measured."""
        return list(self._fixture.stats.stats.data) if self._fixture.stats else []

    def time(
        self,
        step: Callable[..., Any],
        clock: "Clock",
        asked: "Rounds",
        check: Callable[[Any], None],
        waited_s: Callable[[], float],
    ) -> tuple[Any, Sampling | None]:
        """Samples a step; pytest-benchmark's options say for how long and in how many rounds.

        Args:
            step: what to time.
            clock: the clock of the device that it works on.
            asked: the requested rounds.
            check: called with the results of the first calls.
            waited_s: total seconds that this process has waited for processors.

        Returns:
            the result of one additional call outside all rounds, and how the rounds were sampled;
            None for the latter where nothing is measured.
        """
        stock = self._fixture
        if stock.disabled:
            return stock.pedantic(step, setup=asked.setup), None
        from hpml_lab.measure.sampling import ROUND_S, sample
        from hpml_lab.measure.stopping import UntilPrecise

        least = max(stock._min_rounds, UntilPrecise.least)
        taken = sample(
            step,
            clock,
            UntilPrecise(budget_s=self.budget_s, least=least),
            warm_up_s=self.budget_s / 2,
            round_s=max(stock._min_time, ROUND_S),
            asked=asked,
            check=check,
            waited_s=waited_s,
        )
        self._prepare(clock.now_s)
        # One round, which is replaced by those that were sampled.
        result = stock.pedantic(step, setup=asked.setup)
        stock.stats.iterations = taken.how.iterations
        stock.stats.stats.data[:] = taken.rounds_s
        return result, taken.how

    def record(self, rounds_s: list[float]) -> None:
        """Records rounds that were timed elsewhere, one iteration each."""
        self._fixture.pedantic(lambda: None)
        if self._fixture.stats is not None:
            self._fixture.stats.stats.data[:] = rounds_s

    def time_exactly(
        self,
        step: Callable[..., Any],
        timer: Callable[[], float],
        *,
        rounds: int,
        warm_up: int,
        calls: int = 1,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[[], None] | None = None,
    ) -> Any:
        """Times a given number of rounds, after warm-up rounds outside the statistics.

        Args:
            step: what to time.
            timer: a monotonic clock in seconds.
            rounds: number of timed rounds.
            warm_up: number of rounds before them.
            calls: number of calls in a round; 1 with a setup.
            setup: called before each round, outside its time.
            teardown: called after each round, outside its time.
        """
        self._prepare(timer)
        return self._fixture.pedantic(
            step,
            setup=setup,
            teardown=teardown,
            rounds=rounds,
            warmup_rounds=warm_up,
            iterations=calls,
        )

    def _prepare(self, timer: Callable[[], float]) -> None:
        # A collection inside a round would be timed with it.
        self._fixture._disable_gc = True
        self._fixture._timer = timer
