"""A measurement never ends before its bound says it may, and always ends; its interval covers."""

import itertools
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.measure import sampling
from hpml_lab.measure.clock import HostClock
from hpml_lab.measure.sampling import MOST_WINDOWS, WINDOW, sample
from hpml_lab.measure.stopping import PRECISE_ROUNDS, UntilPrecise
from hpml_lab.stats.median import autocorrelation_time, median_interval
from support.coverage_trials import fewest

MOST_ITERATIONS = 50

SECONDS = st.one_of(st.just(0.0), st.floats(1e-9, 1e3), st.sampled_from([0.01, 0.011, 0.5]))
RULES = st.builds(
    UntilPrecise,
    budget_s=st.sampled_from([0.0, 0.1, 1.0, 1e9]),
    least=st.integers(1, 40),
    precision=st.sampled_from([-1.0, 0.01, 10.0]),
    most=st.integers(40, 120),
)


@pytest.fixture(autouse=True, scope="module")
def _few_iterations():
    """A made-up step may take no time at all; a real one cannot."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "MOST_ITERATIONS", MOST_ITERATIONS)
        yield


class Machine(HostClock):
    """A clock and a step; calls take given seconds, over and over, and so may readings."""

    def __init__(self, steps_s, reading_s):
        self._steps_s = itertools.cycle(steps_s)
        self._reading_s = reading_s
        self._time_s = 0.0
        self.calls = 0

    def now_s(self):
        self._time_s += self._reading_s
        return self._time_s

    def step(self):
        self.calls += 1
        self._time_s += next(self._steps_s)


@given(st.lists(SECONDS, min_size=1, max_size=60), st.sampled_from([0.0, 1e-7, 1e-5]), RULES)
def test_a_measurement_ends_within_its_bounds(steps_s, reading_s, rule):
    """Whatever the rounds: at least the fewest, at most the most, and a reason that is true."""
    _ends_within_its_bounds(rule, steps_s, reading_s)


def _ends_within_its_bounds(rule, steps_s, reading_s=0.0):
    machine = Machine(steps_s, reading_s)
    taken = sample(machine.step, machine, rule)
    count, spent_s = len(taken.rounds_s), sum(taken.rounds_s) * taken.how.iterations
    assert rule.least <= count <= rule.most, "out of bounds"
    assert machine.calls == taken.how.warm_up + count * taken.how.iterations
    if taken.how.stopped == "precise":
        low, high = median_interval(taken.rounds_s)
        assert count >= PRECISE_ROUNDS
        assert high - low <= rule.precision * (high + low), "not precise"
    elif taken.how.stopped == "budget":
        assert spent_s + 1e-4 * (3 * count + 1) >= rule.budget_s
    else:
        assert count == rule.most


class Hasty(UntilPrecise):
    """Stops after the first round."""

    def reason(self, *_):
        return "budget"


class Patient(UntilPrecise):
    """Does not know when it is enough."""

    def reason(self, rounds_s, _spent_s):
        return "most rounds" if len(rounds_s) > self.most else None


class Boastful(UntilPrecise):
    """Calls anything precise."""

    def reason(self, rounds_s, _spent_s):
        return "precise" if len(rounds_s) >= PRECISE_ROUNDS else None


@pytest.mark.parametrize(
    ("rule", "fault"),
    [(Hasty, "out of bounds"), (Patient, "out of bounds"), (Boastful, "not precise")],
)
def test_a_rule_out_of_its_bounds_would_be_caught(rule, fault):
    """Too early, too late, and a precision that is not there."""
    with pytest.raises(AssertionError, match=fault):
        _ends_within_its_bounds(rule(most=40), [0.01, 0.02])


@given(st.lists(SECONDS, min_size=1, max_size=200), st.floats(0, 1e6), RULES)
def test_a_rule_never_stops_before_its_bound_and_always_behind_it(rounds_s, spent_s, rule):
    """Of the rule alone: None below the fewest rounds, a reason from the most on."""
    reason = rule.reason(rounds_s, spent_s)
    if len(rounds_s) < rule.least:
        assert reason is None
    if len(rounds_s) >= max(rule.most, rule.least):
        assert reason is not None


@given(st.lists(SECONDS, min_size=1, max_size=60))
def test_warm_up_is_bounded(steps_s):
    """With all the time in the world: the calibration and twenty windows of five rounds."""
    machine = Machine(steps_s, 1e-6)
    rule = UntilPrecise(budget_s=0.0, least=1)
    taken = sample(machine.step, machine, rule, warm_up_s=1e12)
    assert taken.how.warm_up <= 2 + (8 + MOST_WINDOWS * WINDOW) * MOST_ITERATIONS


@pytest.mark.parametrize(
    ("count", "spent_s", "reason"),
    [(7, 9.0, None), (8, 0.9, None), (8, 1.0, "budget"), (9, 0.9, None), (12, 0.9, "most rounds")],
)
def test_a_rule_says_why_it_stops(count, spent_s, reason):
    """Never before the fewest rounds; at the budget and at the most rounds exactly."""
    rule = UntilPrecise(budget_s=1.0, least=8, precision=0.0, most=12)
    assert rule.reason([1.0, 2.0] * (count // 2) + [1.0] * (count % 2), spent_s) == reason


def test_a_precise_median_stops_at_each_tenth_round_only():
    """Equal rounds: at 50 and 55, not at 51 to 54."""
    rule = UntilPrecise(budget_s=1.0)
    looks = [n for n in range(50, 61) if rule.reason([1.0] * n, 0.0) == "precise"]
    assert looks == [50, 55, 60]


@pytest.mark.parametrize("count", [6, 11, 20, 101])
def test_the_ranks_of_a_median_s_interval_are_the_binomial_s(count):
    """The ends are the innermost pair of ranks that hold the median in 95 % of samples."""
    low, high = median_interval(_alternating(count))
    assert low + high == count + 1
    outside = [2 * sum(comb(count, i) for i in range(rank)) / 2**count for rank in range(count)]
    assert outside[int(low)] <= 0.05 < outside[int(low) + 1]


def _alternating(count):
    """The numbers 1 to count, above and below the median in turn: no positive correlation."""
    middle = count // 2
    low, high = range(1, middle + 1), range(middle + 1, count + 1)
    pairs = itertools.zip_longest(high, low)
    return [float(value) for pair in pairs for value in pair if value is not None]


def test_five_rounds_do_not_know_their_median():
    """Five rounds are all above it in one sample of 32: no interval at 95 %."""
    assert median_interval([1.0, 2.0, 3.0, 4.0, 5.0]) is None


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_the_interval_of_a_median_covers_though_rounds_are_alike(correlation):
    """Autoregressive rounds: 83 % or more at 95 %, where plain ranks would cover 60 % at 0.8.

    A hundred rounds that are alike over ten do not know how far they are alike.
    """
    rng = np.random.default_rng(1)
    trials, count = 2_000, 100
    noise = rng.standard_normal((trials, count))
    for index in range(1, count):
        noise[:, index] *= np.sqrt(1 - correlation**2)
        noise[:, index] += correlation * noise[:, index - 1]
    intervals = [median_interval(row) for row in noise]
    covered = np.mean([ends is not None and ends[0] <= 0 <= ends[1] for ends in intervals])
    assert covered >= fewest(0.83, trials)
    plain = np.sort(noise)
    if correlation == 0.8:
        assert np.mean((plain[:, 39] <= 0) & (plain[:, 60] >= 0)) < 0.65


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_the_autocorrelation_time_is_that_of_the_signs(correlation):
    """Signs of normal values with correlation r are correlated by 2/pi arcsin(r) (Sheppard)."""
    rng = np.random.default_rng(2)
    series = np.zeros(20_000)
    noise = rng.standard_normal(20_000) * np.sqrt(1 - correlation**2)
    for index in range(1, len(series)):
        series[index] = correlation * series[index - 1] + noise[index]
    lags = np.arange(1, 500)
    exact = 1 + 2 * np.sum(2 / np.pi * np.arcsin(correlation**lags))
    assert autocorrelation_time(series) == pytest.approx(exact, rel=0.15)
