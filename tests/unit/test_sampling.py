"""Warm-up, iterations and rounds of one process, on a clock that the step moves."""

import gc
import itertools
import sys

import pytest

from hpml_lab.measure import sampling
from hpml_lab.measure.clock import tick_s
from hpml_lab.measure.sampling import Rounds, sample
from hpml_lab.measure.stopping import UntilPrecise


class Step:
    """Takes the given seconds in turn, the last ones again and again."""

    def __init__(self, clock, seconds, again):
        self._clock = clock
        self._seconds = itertools.chain(seconds, itertools.cycle(again))
        self.calls = 0

    def __call__(self):
        self.calls += 1
        self._clock.log.append("step")
        self._clock.advance(next(self._seconds))


def test_a_round_lasts_ten_milliseconds(clock):
    """A step of 0.3 ms is called 34 times in a round; the round is given per call."""
    taken = sample(Step(clock, [], [0.0003]), clock, UntilPrecise())
    assert taken.how.iterations == 34
    assert taken.rounds_s == pytest.approx([0.0003] * 20)


def test_a_step_longer_than_a_round_is_called_once_in_it(clock):
    """One iteration of 0.2 s: after six rounds a budget of 1.1 s is spent."""
    taken = sample(Step(clock, [], [0.2]), clock, UntilPrecise(budget_s=1.1))
    assert (taken.how.iterations, len(taken.rounds_s), taken.how.stopped) == (1, 6, "budget")


def test_a_clock_that_is_slow_to_read_makes_rounds_longer(clock):
    """With 0.1 ms for a reading, a round is a thousand times that: 100 calls of 1 ms."""
    readings = clock.now_s

    def now_s():
        clock.advance(0.0001)
        return readings()

    clock.now_s = now_s
    assert tick_s(clock) == pytest.approx(0.0001)
    assert sample(Step(clock, [], [0.001]), clock, UntilPrecise()).how.iterations == 100


def test_the_device_is_waited_for_at_both_ends_alone(clock):
    """In a round: wait, read, the steps, wait, read."""
    sample(Step(clock, [], [0.005]), clock, UntilPrecise())
    rounds = [["sync", "now", "step", "step", "sync", "now", "now"]] * 20
    assert clock.log[-140:] == list(itertools.chain.from_iterable(rounds))


def test_warm_up_lasts_until_two_windows_are_alike(clock):
    """Steps that get faster for thirty calls are all warm-up; every round is the steady time."""
    falling = [1 - call / 60 for call in range(30)]
    step = Step(clock, falling, [0.5])
    taken = sample(step, clock, UntilPrecise(budget_s=100, least=5), warm_up_s=100)
    assert taken.how.warm_up >= 32
    assert taken.rounds_s == [pytest.approx(0.5)] * 20
    assert taken.how.unstable == []


def test_a_first_call_that_compiles_does_not_decide_the_iterations(clock):
    """A call of 5 s before steps of 1 ms: ten iterations, as without it."""
    taken = sample(Step(clock, [5.0], [0.001]), clock, UntilPrecise())
    assert taken.how.iterations == 10
    assert max(taken.rounds_s) == pytest.approx(0.001)


def test_a_warm_up_that_never_ends_is_bounded_and_said(clock):
    """A step that gets 1 % slower each call is measured all the same, and called drifting."""
    slower = (0.01 * 1.01**call for call in range(500))
    taken = sample(Step(clock, slower, [1.0]), clock, UntilPrecise(), warm_up_s=1e6)
    assert taken.how.warm_up <= 150
    assert "drift: " in taken.how.unstable[0]


def test_a_warm_up_without_an_end_is_said_where_the_rounds_are_steady(clock):
    """A step that gets slower for its first hundred calls alone."""
    slower = (0.1 * 1.01**call for call in range(103))
    taken = sample(Step(clock, slower, [1.0]), clock, UntilPrecise(), warm_up_s=1e6)
    (seen,) = taken.how.unstable
    assert seen == f"drift: no steady state within {taken.how.warm_up} calls of warm-up"


def test_a_slow_step_that_gets_slower_is_a_drift(clock):
    """Six rounds of a step that takes a tenth longer each time; no warm-up had time to see it."""
    slower = (1.1**call for call in range(500))
    taken = sample(Step(clock, slower, [1.0]), clock, UntilPrecise(budget_s=1.0))
    assert len(taken.rounds_s) == 6
    assert taken.how.unstable[0] == "drift: the later half of the rounds took 33.1 % more time"


def test_a_round_is_a_whole_number_of_cycles(clock):
    """Where each eighth call of 1 ms does 32 ms more, a round of 8 calls has the mean: 5 ms."""
    step = Step(clock, [], [0.001] * 7 + [0.033])
    taken = sample(step, clock, UntilPrecise(), asked=Rounds(calls=8))
    assert taken.how.iterations == 8
    assert taken.rounds_s == pytest.approx([0.005] * 20)
    assert taken.how.warm_up % 8 == 0


def test_a_setup_comes_before_each_round_and_is_not_timed(clock):
    """A round is one call, with what the setup gives; its 5 s are not in the round."""
    seen = []

    def setup():
        clock.advance(5.0)
        return (len(seen),), {"step_s": 0.001}

    def step(number, step_s):
        seen.append(number)
        clock.advance(step_s)

    taken = sample(step, clock, UntilPrecise(), asked=Rounds(setup=setup))
    assert taken.how.iterations == 1
    assert taken.rounds_s == pytest.approx([0.001] * len(taken.rounds_s))
    assert seen == list(range(len(seen)))


def test_the_first_calls_are_looked_at(clock):
    """What the two calls before any timing return is handed on, and nothing later."""
    seen = []
    sample(lambda: clock.advance(0.02), clock, UntilPrecise(), check=seen.append)
    assert seen == [None, None]


def test_ranks_take_the_rounds_that_the_first_one_needs(clock, monkeypatch):
    """A rank for which a call takes 1 ms makes one call a round where the first needs 20 ms."""

    def agreed(own):
        return (20 * own[0], own[1]) if isinstance(own, tuple) else 20 * own

    monkeypatch.setattr(sampling, "agreed", agreed)
    taken = sample(Step(clock, [], [0.001]), clock, UntilPrecise())
    assert taken.how.iterations == 1
    assert taken.rounds_s == pytest.approx([0.020] * len(taken.rounds_s))


def test_a_slow_step_is_not_warmed_up_beyond_its_time(clock):
    """With half a second for it, steps of 10 s have two calls and the round that calibrates."""
    taken = sample(Step(clock, [], [10.0]), clock, UntilPrecise(), warm_up_s=0.5)
    assert taken.how.warm_up == 3
    assert taken.how.unstable == []


def test_a_clock_that_stands_still_ends(clock):
    """Steps of no time: one iteration, and the first look at the interval is content."""
    taken = sample(Step(clock, [], [0.0]), clock, UntilPrecise(), warm_up_s=0.5)
    assert (taken.how.iterations, len(taken.rounds_s)) == (1, 20)


def test_nothing_disturbs_a_round(clock):
    """No collection, tracer or profiler while the step runs; all are back when it has ended."""
    seen = set()

    def tracer(*_):
        return None

    def step():
        seen.add((gc.isenabled(), sys.gettrace(), sys.getprofile()))
        clock.advance(0.02)

    before = sys.gettrace(), sys.getprofile()
    sys.settrace(tracer)
    try:
        rounds = sampling._Taker(step, clock, 0.01)
        rounds.take()
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before[0])
    assert gc.isenabled()
    assert sys.getprofile() is before[1]
    assert seen == {(False, None, None)}


def test_a_step_that_fails_leaves_the_process_as_it_was(clock):
    """Garbage is collected again after an exception."""

    def step():
        raise RuntimeError("in the step")

    with pytest.raises(RuntimeError, match="in the step"):
        sampling._Taker(step, clock, 0.01).take()
    assert gc.isenabled()


def test_the_device_s_own_time_is_kept_beside_the_host_s(clock):
    """Of two steps of 5 ms the device works 4 ms each; what it did in warm-up does not count."""
    worked_s = itertools.chain([0.9] * 12, itertools.cycle([0.008]))
    clock.between_s = lambda _first, _last: next(worked_s)
    taken = sample(Step(clock, [], [0.005]), clock, UntilPrecise())
    assert taken.how.iterations == 2
    assert taken.how.device_s == pytest.approx(0.004)


def test_without_a_device_of_its_own_there_is_no_device_time(clock):
    """On the CPU the host's seconds are all there is."""
    assert sample(Step(clock, [], [0.005]), clock, UntilPrecise()).how.device_s is None


class Waiting:
    """A step of 12 ms, of which some calls wait for a processor as well."""

    def __init__(self, clock, seconds):
        self._clock = clock
        self._seconds = itertools.cycle(seconds)
        self._waited_s = 0.0

    def __call__(self):
        waited_s = next(self._seconds)
        self._waited_s += waited_s
        self._clock.advance(0.012 + waited_s)

    def waited_s(self):
        return self._waited_s


def test_a_round_in_which_threads_waited_is_taken_again(clock):
    """Every second round waits for 6 ms; those that are left take 12 ms."""
    step = Waiting(clock, [0.0, 0.006])
    taken = sample(step, clock, UntilPrecise(budget_s=10), warm_up_s=0, waited_s=step.waited_s)
    assert taken.rounds_s == pytest.approx([0.012] * 20)
    assert taken.how.retaken == pytest.approx(20, abs=1)
    assert not taken.how.disturbed


def test_where_most_rounds_stay_disturbed_all_count_and_it_is_said(clock):
    """After three times its budget a step that always waits has the rounds it has: 0.6 s."""
    step = Waiting(clock, [0.006])
    taken = sample(step, clock, UntilPrecise(budget_s=0.2), waited_s=step.waited_s)
    assert taken.how.disturbed
    assert (taken.how.stopped, taken.how.retaken) == ("budget", 0)
    assert len(taken.rounds_s) == 34


def test_a_slow_step_beside_others_still_ends(clock):
    """Six rounds of 10 s, all disturbed: no more are taken than a quiet machine would need."""
    step = Waiting(clock, [10.0])
    taken = sample(step, clock, UntilPrecise(budget_s=1.0), waited_s=step.waited_s)
    assert (len(taken.rounds_s), taken.how.disturbed) == (6, True)
