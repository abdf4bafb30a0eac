"""Steps in a series: found where they are, and only where it stays at its new level."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.stats.change_points import FEWEST_VALUES, ChangePoint, change_points, clipped

ALPHA = 0.01
NOISE = 0.01 * np.random.default_rng(3).standard_normal(200)


def with_steps(values, *changes):
    """The values with levels added: pairs of a place and how much higher it is from there."""
    values = np.array(values)
    for place, change in changes:
        values[place:] += change
    return values


def places(values, **options):
    """Where steps are found."""
    return [step.index for step in change_points(values, ALPHA, **options)]


def test_a_step_without_noise_has_the_two_levels():
    """Twelve values at 1 and twelve at 1.5 are a step at the thirteenth."""
    assert change_points([1.0] * 12 + [1.5] * 12, ALPHA) == [ChangePoint(12, 1.0, 1.5, 0, 24)]


def test_a_constant_series_has_no_step():
    """Nothing moves, and nothing is divided by zero."""
    assert change_points([1.0] * 40, ALPHA) == []


@pytest.mark.parametrize("count", [30, 60, 200])
def test_a_change_that_lasts_is_found(count):
    """10 % more from the middle on, with noise of 1 %."""
    (place,) = places(with_steps(NOISE[:count], (count // 2, 0.1)))
    assert abs(place - count // 2) <= 1


def test_a_change_and_its_repair_are_both_found():
    """Slower at run 60 and as before from run 80 on."""
    result = places(with_steps(NOISE, (60, 0.1), (80, -0.1)))
    assert result == pytest.approx([60, 80], abs=1)


def test_a_step_is_found_when_few_runs_follow_it():
    """The last five runs of a history show a change that is large enough."""
    (place,) = places(with_steps(NOISE[:100], (95, 0.2)))
    assert place == pytest.approx(95, abs=1)


def test_one_slow_run_is_no_step():
    """A run that is twice as slow, and the next is as ever."""
    assert places(with_steps(NOISE, (70, 0.7), (71, -0.7))) == []


def test_a_step_is_found_beside_a_slow_run():
    """An outlier does not hide the change eight runs later."""
    result = places(with_steps(NOISE[:100], (40, 0.7), (41, -0.7), (49, 0.1)))
    assert result == pytest.approx([49], abs=1)


def test_single_values_are_brought_near_their_neighbours():
    """A value 10,000 times the noise away is brought among the others; these move little or not."""
    values = with_steps(NOISE[:21], (10, 100), (11, -100))
    result = clipped(values)
    assert result[10] < 0.1
    assert np.abs(np.delete(result - values, 10)).max() < 0.05


def test_what_processes_vary_by_hides_a_step():
    """Runs alike by chance are no evidence where their own processes differ by more."""
    values = with_steps(NOISE[:40], (20, 0.1))
    assert places(values, noise=0.01**2)
    assert places(values, noise=0.1**2) == []


@given(st.floats(-5, 5), st.integers(FEWEST_VALUES, 150), st.integers(0, 50))
def test_another_unit_moves_no_step(shift, count, seed):
    """Seconds or milliseconds: a factor is a shift of all logs."""
    values = with_steps(np.roll(NOISE, seed)[:count], (count // 2, 0.1))
    result = change_points(values, ALPHA)
    shifted = change_points(values + shift, ALPHA)
    assert [step.index for step in shifted] == [step.index for step in result]
    for step, other in zip(result, shifted, strict=True):
        assert other.before == pytest.approx(step.before + shift)
        assert other.after == pytest.approx(step.after + shift)


@given(st.floats(0.1, 5), st.integers(FEWEST_VALUES, 150), st.integers(0, 50))
def test_a_larger_scale_moves_no_step(factor, count, seed):
    """Noise and steps that are larger by one factor are as far apart as before."""
    values = with_steps(np.roll(NOISE, seed)[:count], (count // 2, 0.1))
    assert places(factor * values) == places(values)


@given(st.integers(FEWEST_VALUES, 150), st.integers(0, 50), st.floats(-0.3, 0.3))
def test_the_other_way_round_steps_go_the_other_way(count, seed, change):
    """Slower becomes faster where the sign of all logs changes."""
    values = with_steps(np.roll(NOISE, seed)[:count], (count // 2, change))
    for step, other in zip(
        change_points(values, ALPHA), change_points(-values, ALPHA), strict=True
    ):
        assert (other.index, other.before) == (step.index, pytest.approx(-step.before))


@given(st.integers(10, 75), st.integers(0, 50))
def test_backwards_the_steps_are_the_same(half, seed):
    """Read from its end, a history has its step between the same two runs."""
    values = with_steps(np.roll(NOISE, seed)[: 2 * half], (half, 0.2))
    assert places(values[::-1]) == [2 * half - place for place in reversed(places(values))]


def test_drift_is_no_step():
    """A machine that gets 0.05 % slower with every run, 10 % over the history, has not moved."""
    assert places(NOISE + 0.0005 * np.arange(200)) == []


def test_a_step_in_a_drift_is_found():
    """Beside the same drift, a change of 10 % is found where it is."""
    result = places(with_steps(NOISE + 0.0005 * np.arange(200), (120, 0.1)))
    assert result == pytest.approx([120], abs=1)
