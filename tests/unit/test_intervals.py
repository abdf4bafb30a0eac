"""The interval of one saved case, and the distribution that it needs."""

import math

import pytest

from hpml_lab.stats.intervals import Interval, fresh_process_interval, process_medians
from hpml_lab.stats.shrinkage import t_quantile


def test_the_interval_of_three_processes():
    """Logs 0, 1, 2: mean 1, s = 1, t(98.75 %, 2) = 6.2053, times sqrt(4/3): 1 -+ 7.1653."""
    result = fresh_process_interval([[1.0, 0.5, 9.0], [math.e], [math.e**2] * 4])
    assert math.log(result.low_s) == pytest.approx(-6.16533, abs=1e-4)
    assert math.log(result.high_s) == pytest.approx(8.16533, abs=1e-4)


def test_what_was_seen_is_inside():
    """One slow process of ten is within the interval, though nine say otherwise."""
    result = fresh_process_interval([[1.0]] * 9 + [[1.2]])
    assert 1.2 in result
    assert 1.0 in result
    assert 1.3 not in result


@pytest.mark.parametrize(
    "processes", [[], [[1.0, 1.1, 0.9]], [[1.0], []], [[1.0], [0.0]], [[1.0], [math.nan]]]
)
def test_without_two_processes_that_measured_there_is_no_interval(processes):
    """One process says nothing about the next, nor does one that failed or a clock that stood."""
    assert fresh_process_interval(processes) is None


def test_a_higher_confidence_is_a_wider_interval():
    """99 % holds more than 95 %."""
    processes = [[1.0], [1.01], [0.98]]
    narrow, wide = (fresh_process_interval(processes, level) for level in (0.95, 0.99))
    assert wide.relative_width > 1.5 * narrow.relative_width > 0


def test_equal_processes_have_an_interval_of_no_width():
    """What did not vary is not made to."""
    assert fresh_process_interval([[2.0], [2.0]]) == Interval(pytest.approx(2.0), pytest.approx(2))


def test_a_failed_process_has_no_median():
    """Of three processes with one failed there are two medians."""
    assert process_medians([[3.0, 1.0, 2.0], [], [5.0]]).tolist() == [2.0, 5.0]


@pytest.mark.parametrize(
    ("probability", "dof", "expected"),
    [
        (0.5, 3, 0.0),
        (0.975, 1, 12.70620473617471),  # tan(0.475 pi)
        (0.975, 2, 4.302652729911275),  # (2p - 1) / sqrt(2p (1 - p))
        (0.9875, 2, 6.205346816570905),  # the same
        (0.975, 4, 2.7764451051977987),  # the usual tables
        (0.995, 9, 3.2498355415921543),
        (0.975, 1e6, 1.95996635685),  # z + (z**3 + z) / (4 * dof)
    ],
)
def test_quantiles_of_student_s_distribution(probability, dof, expected):
    """As the tables say."""
    assert t_quantile(probability, dof) == pytest.approx(expected, rel=5e-9, abs=1e-9)
