"""Sampling of rounds: warm-up, calibration, stopping, and undisturbed rounds."""

import gc
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from hpml_lab.errors import InputError
from hpml_lab.measure import turns
from hpml_lab.measure.clock import Clock, tick_s
from hpml_lab.measure.load import LARGEST_WAIT
from hpml_lab.measure.ranks import agreed
from hpml_lab.measure.stability import unstable
from hpml_lab.measure.stopping import StoppingRule
from hpml_lab.runs.schema import Sampling, Stopped
from hpml_lab.theory.validation import check_int


@dataclass(frozen=True)
class Rounds:
    """Options for the rounds of a case, in the terms of pytest-benchmark.

    Attributes:
        rounds: Number of rounds; None to let the stopping rule decide.
        warmup_rounds: Number of additional warm-up rounds before them.
        calls: Calls per cycle of the step; a round is a whole number of cycles.
        setup: Called before each round, not timed; may return (args, kwargs) for the step.

    Raises:
        InputError: for an invalid number, or a setup together with cycles of several calls.
    """

    rounds: int | None = None
    warmup_rounds: int = 0
    calls: int = 1
    setup: Callable[[], Any] | None = None

    def __post_init__(self) -> None:
        if self.rounds is not None:
            check_int("rounds", self.rounds, 1)
        check_int("warmup_rounds", self.warmup_rounds)
        check_int("calls", self.calls, 1)
        if self.setup is not None and not callable(self.setup):
            raise InputError(f"setup is a {type(self.setup).__name__}; give a function")
        if self.setup is not None and self.calls > 1:
            raise InputError(
                f"a setup comes before each call, and calls is {self.calls}; give one of the two"
            )

    def prepared(self, step: Callable[..., Any]) -> Callable[[], Any]:
        """Calls the setup and returns the step with the arguments that it gave.

        Raises:
            InputError: if the setup returns anything but None or a pair of arguments.
        """
        given = self.setup() if self.setup else None
        if not given:
            return step
        if not (isinstance(given, tuple) and len(given) == 2):
            raise InputError(
                f"setup returned a {type(given).__name__}; it may return nothing, or a pair of "
                "arguments: (args, kwargs)"
            )
        args, kwargs = given
        return partial(step, *args, **kwargs)


ROUND_S = 0.010
TICKS_PER_ROUND = 1000  # the clock's resolution is then 0.1 % of a round or less
LEAST_CALLS = 2  # before anything is timed: the first one compiles, the second one settles
WINDOW = 5  # rounds of a warm-up window
MOST_WINDOWS = 20
STEADY = 0.01  # medians of windows that differ by less are equal
MOST_ITERATIONS = 10**7  # no call takes less than a nanosecond
AS_DUE = Rounds()
PATIENCE = 3.0
_MOST_TRIES = 8  # at calibrating the iterations of a round, with a factor of at most 10 per try
_LEAST_COMPARISONS = 3  # failed comparisons before a warm-up counts as unsteady


@dataclass(frozen=True)
class Sample:
    """Rounds of one process.

    Attributes:
        rounds_s: Seconds per iteration of each round.
        how: Iterations, warm-up, stopping and flags of the sampling.
    """

    rounds_s: list[float]
    how: Sampling


def sample(
    step: Callable[[], Any],
    clock: Clock,
    rule: StoppingRule,
    *,
    warm_up_s: float = 0.5,
    round_s: float = ROUND_S,
    asked: Rounds = AS_DUE,
    check: Callable[[Any], None] = lambda _result: None,
    waited_s: Callable[[], float] = lambda: 0.0,
    patience: float = PATIENCE,
) -> Sample:
    """Returns the rounds of a step.

    The device is synchronised at both ends of a round and never inside; garbage collection is off
    during a round. With several ranks, all take the rounds that rank 0 needs.

    Args:
        step: The step to time.
        clock: Clock of the device that the step works on.
        rule: Stopping rule.
        warm_up_s: No warm-up round begins after this many seconds.
        round_s: Target length of a round in seconds; longer if the clock's resolution needs it.
        asked: Options for the rounds: calls per cycle, and the setup before each.
        check: Called with the results of the first calls, before anything is timed.
        waited_s: Returns the total time that this process has waited for processors.
        patience: Multiple of the rule's time to spend on undisturbed rounds; if they are still too
            few, disturbed rounds count too.
    """
    rounds = _Taker(step, clock, round_s, asked, waited_s)
    rounds.begin(check)
    steady = _warm_up(rounds, rounds.now_s() + warm_up_s)
    warm_up = rounds.calls
    taken = _until_stopped(rounds, rule, patience)
    seen = list(unstable(taken.rounds_s))
    if not (steady or seen):
        seen = [f"drift: no steady state within {warm_up} calls of warm-up"]
    how = Sampling(
        rounds.iterations,
        warm_up,
        taken.stopped,
        seen,
        rounds.device_s(len(taken.rounds_s)),
        disturbed=taken.disturbed,
        retaken=taken.retaken,
    )
    return Sample(taken.rounds_s, how)


@dataclass(frozen=True)
class _Taken:
    rounds_s: list[float]
    stopped: Stopped
    disturbed: bool
    retaken: int


def _until_stopped(rounds: "_Taker", rule: StoppingRule, patience: float) -> _Taken:
    """Takes rounds until the rule stops, on undisturbed rounds if there are enough."""
    every: list[float] = []
    quiet: list[float] = []
    began_s = rounds.now_s()
    while True:
        seconds = rounds.take()
        every.append(seconds)
        if not rounds.disturbed:
            quiet.append(seconds)
        spent_s = rounds.now_s() - began_s
        if (stopped := rule.reason(quiet, spent_s)) is not None:
            return _Taken(quiet, stopped, disturbed=False, retaken=len(every) - len(quiet))
        stopped = rule.reason(every, spent_s / patience)
        if stopped is not None and stopped != "precise":
            return _Taken(every, stopped, disturbed=2 * len(quiet) < len(every), retaken=0)


class _Taker:
    """Takes rounds of one step.

    Attributes:
        iterations: Calls per round.
        calls: Calls so far.
        disturbed: Whether threads waited for processors in the last round.
    """

    def __init__(
        self,
        step: Callable[..., Any],
        clock: Clock,
        round_s: float,
        asked: Rounds = AS_DUE,
        waited_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.iterations = asked.calls
        self.disturbed = False
        self.calls = 0
        self._step = step
        self._clock = clock
        self._asked = asked
        self._waiting_s = waited_s
        self._tick_s = agreed(tick_s(clock))
        self._round_s = max(round_s, TICKS_PER_ROUND * self._tick_s)
        self._device_s: list[float | None] = []

    def begin(self, check: Callable[[Any], None]) -> None:
        """Makes the first calls of the step, and passes their results to `check`."""
        cycles = LEAST_CALLS + self._asked.warmup_rounds
        for _ in range(cycles * self._asked.calls):
            check(self._asked.prepared(self._step)())
        self.calls += cycles * self._asked.calls

    def take(self) -> float:
        """Runs a round and returns its seconds per iteration; with several ranks, rank 0's."""
        turns.hand_over()
        step, clock, iterations = (
            self._asked.prepared(self._step),
            self._clock,
            range(self.iterations),
        )
        before_s = self._waiting_s()
        with _undisturbed():
            clock.synchronise()
            began_s = clock.now_s()
            first = clock.mark()
            for _ in iterations:
                step()
            last = clock.mark()
            clock.synchronise()
            spent_s = clock.now_s() - began_s
        self._device_s.append(clock.between_s(first, last))
        self.calls += self.iterations
        waited_s = self._waiting_s() - before_s
        iteration_s, self.disturbed = agreed(
            (spent_s / self.iterations, waited_s > LARGEST_WAIT * spent_s > 0)
        )
        return iteration_s

    def device_s(self, count: int) -> float | None:
        """Returns the median device seconds per iteration of the last rounds, if known."""
        known = [seconds for seconds in self._device_s[-count:] if seconds is not None]
        return median(known) / self.iterations if known else None

    def now_s(self) -> float:
        """Returns the clock's time without the partner's turns; with several ranks, rank 0's."""
        return agreed(self._clock.now_s() - turns.away_s())

    def calibrate(self) -> None:
        """Finds the approximate number of calls that fill a round."""
        for _ in range(_MOST_TRIES):
            needed = self._needed(self.take())
            if needed <= self.iterations:
                return
            self.iterations = self._whole(min(needed, 10 * self.iterations))

    def fit(self, iteration_s: float) -> None:
        """Sets the iterations that fill a round at this time per iteration."""
        self.iterations = self._needed(iteration_s)

    def _needed(self, iteration_s: float) -> int:
        if self._asked.setup is not None:
            return 1
        if iteration_s > 0:
            return self._whole(math.ceil(min(self._round_s / iteration_s, MOST_ITERATIONS)) or 1)
        # Below the clock's resolution; a clock that stands still never resolves anything.
        return min(10 * self.iterations, MOST_ITERATIONS) if self._tick_s else self.iterations

    def _whole(self, iterations: int) -> int:
        return math.ceil(iterations / self._asked.calls) * self._asked.calls


def _warm_up(rounds: _Taker, until_s: float) -> bool:
    """Runs a step until two consecutive windows are equal.

    Returns:
        False if several comparisons were made and all failed; True also if the time allowed too few
        comparisons.
    """
    rounds.calibrate()
    earlier: list[float] = []
    for failed in range(MOST_WINDOWS):
        window = list(_window(rounds, until_s))
        if len(window) < WINDOW:
            return failed <= _LEAST_COMPARISONS
        rounds.fit(min(window))
        if earlier and _is_steady(earlier, window):
            return True
        earlier = window
    return False


def _window(rounds: _Taker, until_s: float) -> Iterator[float]:
    for _ in range(WINDOW):
        if rounds.now_s() >= until_s:
            return
        yield rounds.take()


def _is_steady(earlier: list[float], later: list[float]) -> bool:
    """Whether the median of a window is within the range of the last window, or within `STEADY`.

    For two windows from one distribution it is within the range in five cases of six.
    """
    middle = median(later)
    change = abs(middle - median(earlier))
    return min(earlier) <= middle <= max(earlier) or change <= STEADY * middle


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Disables garbage collection, tracer and profiler, which would be timed with the step."""
    collecting, tracer, profiler = gc.isenabled(), sys.gettrace(), sys.getprofile()
    gc.disable()
    sys.settrace(None)
    sys.setprofile(None)
    try:
        yield
    finally:
        sys.setprofile(profiler)
        sys.settrace(tracer)
        if collecting:
            gc.enable()
