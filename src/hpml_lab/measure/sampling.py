"""Times a step in one process: warm up until steady, then rounds until a rule says stop."""

import gc
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from hpml_lab.measure import turns
from hpml_lab.measure.clock import Clock, tick_s
from hpml_lab.measure.load import LARGEST_WAIT
from hpml_lab.measure.ranks import agreed
from hpml_lab.measure.record import Sampling, Stopped
from hpml_lab.measure.rounds import Rounds
from hpml_lab.measure.stability import unstable
from hpml_lab.measure.stopping import StoppingRule

ROUND_S = 0.010
TICKS_PER_ROUND = 1000  # reading the clock is then 0.1 % of a round or less
LEAST_CALLS = 2  # before anything is timed: the first one compiles, the second one settles
WINDOW = 5  # rounds of warm-up, compared with the next as many
MOST_WINDOWS = 20
STEADY = 0.01  # windows that differ by less are alike
MOST_ITERATIONS = 10**7  # no call takes less than a nanosecond
AS_DUE = Rounds()
PATIENCE = 3.0
_MOST_TRIES = 8  # at finding the iterations of a round, each at most ten times as many
_TELLING = 3  # comparisons that must all fail before a warm-up is called unsteady


@dataclass(frozen=True)
class Sample:
    """What one process measured.

    Attributes:
        rounds_s: seconds of an iteration in each round.
        how: in which way.
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

    The device is waited for at both ends of a round and never inside; no garbage is collected
    within one. Where several ranks run, all take the rounds that the first one needs.

    Args:
        step: what to time.
        clock: of the device that the step works on.
        rule: when to stop.
        warm_up_s: a warm-up begins no round after that many seconds.
        round_s: a round has as many iterations as it takes to last so long, and longer where the
            clock is too coarse or too slow to read for that.
        asked: of the rounds: cycles of calls, and what is set up before each.
        check: is given what the first calls return, before anything is timed.
        waited_s: how long this process has waited for processors in all.
        patience: so many times the time of the rule are spent on undisturbed rounds; if there are
            too few by then, disturbed ones count too.
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
    """Takes rounds until the rule says stop: of undisturbed ones, if there are enough."""
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
        iterations: calls in a round.
        calls: so far.
        disturbed: whether threads waited for processors in the last round.
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
        """Calls the step for the first times, and has what it returns looked at."""
        cycles = LEAST_CALLS + self._asked.warmup_rounds
        for _ in range(cycles * self._asked.calls):
            check(self._asked.prepared(self._step)())
        self.calls += cycles * self._asked.calls

    def take(self) -> float:
        """Returns the seconds of an iteration in one more round; of several ranks the first's."""
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
        """Returns the device's median seconds of an iteration in the last rounds, if it tells."""
        known = [seconds for seconds in self._device_s[-count:] if seconds is not None]
        return median(known) / self.iterations if known else None

    def now_s(self) -> float:
        """Returns what the clock says, a partner's turns left out; of several ranks the first's."""
        return agreed(self._clock.now_s() - turns.away_s())

    def calibrate(self) -> None:
        """Finds about how many calls fill a round."""
        for _ in range(_MOST_TRIES):
            needed = self._needed(self.take())
            if needed <= self.iterations:
                return
            self.iterations = self._whole(min(needed, 10 * self.iterations))

    def fit(self, iteration_s: float) -> None:
        """Takes as many iterations as fill a round at this speed."""
        self.iterations = self._needed(iteration_s)

    def _needed(self, iteration_s: float) -> int:
        if self._asked.setup is not None:
            return 1
        if iteration_s > 0:
            return self._whole(math.ceil(min(self._round_s / iteration_s, MOST_ITERATIONS)) or 1)
        # Too short to be read; of a clock that stands still nothing ever can be.
        return min(10 * self.iterations, MOST_ITERATIONS) if self._tick_s else self.iterations

    def _whole(self, iterations: int) -> int:
        return math.ceil(iterations / self._asked.calls) * self._asked.calls


def _warm_up(rounds: _Taker, until_s: float) -> bool:
    """Runs a step until two windows in a row are alike.

    Returns:
        False if several comparisons were made and none found that; True also where time was left
        for too few to tell.
    """
    rounds.calibrate()
    earlier: list[float] = []
    for unlike in range(MOST_WINDOWS):
        window = list(_window(rounds, until_s))
        if len(window) < WINDOW:
            return unlike <= _TELLING
        rounds.fit(min(window))
        if earlier and _alike(earlier, window):
            return True
        earlier = window
    return False


def _window(rounds: _Taker, until_s: float) -> Iterator[float]:
    for _ in range(WINDOW):
        if rounds.now_s() >= until_s:
            return
        yield rounds.take()


def _alike(earlier: list[float], later: list[float]) -> bool:
    """Returns whether a window is in the range of the one before, or as good as the same.

    Of two windows from one distribution the first is true in five cases of six.
    """
    middle = median(later)
    change = abs(middle - median(earlier))
    return min(earlier) <= middle <= max(earlier) or change <= STEADY * middle


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without garbage collection, tracer and profiler, which would be timed with the step."""
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
