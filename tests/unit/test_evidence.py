"""What the evidence for a change is made of: moderated variances, movement, slow processes."""

import math

import numpy as np
import pytest

from hpml_lab.stats.drift import between_runs, case_apart, of_pairs, within_runs
from hpml_lab.stats.outliers import find_outliers
from hpml_lab.stats.shrinkage import shrink, t_quantiles
from hpml_lab.stats.two_sample import evidence


def test_equal_variances_are_pooled():
    """Cases that differ by no more than chance share their mean and all degrees of freedom."""
    result = shrink(np.array([1.0, 1.2, 0.8]), np.full(3, 4.0))
    assert result.variance == pytest.approx([1, 1, 1])
    assert result.conservative == pytest.approx([1, 1.2, 1])
    assert result.dof.tolist() == [12, 12, 12]


def test_one_case_has_nobody_to_be_moderated_by():
    """Its variance and its degrees of freedom are its own."""
    result = shrink(np.array([3.0]), np.array([4.0]))
    assert (result.variance.tolist(), result.dof.tolist()) == ([3.0], [4.0])


def test_the_prior_is_found_again():
    """Of 20,000 variances drawn with s0^2 = 4 and d0 = 6, 10 degrees of freedom are 4 + 6.

    A variance of 0.1 becomes (6 * 4 + 4 * 0.1) / 10 = 2.44, one of 40 stays.
    """
    rng = np.random.default_rng(3)
    true = 4 * 6 / rng.chisquare(6, 20_000)
    seen = true * rng.chisquare(4, 20_000) / 4
    seen[:2] = 0.1, 40
    result = shrink(seen, np.full(20_000, 4.0))
    assert result.dof[0] == pytest.approx(10, rel=0.05)
    assert result.variance[0] == pytest.approx(2.44, rel=0.05)
    assert result.variance[1] == pytest.approx(18.4, rel=0.05)
    assert result.conservative[1] == 40


def test_variances_of_zero_are_no_trouble():
    """A clock that cannot tell two processes apart makes one; nothing is infinite."""
    result = shrink(np.array([0.0, 1.0, 1.1, 0.9]), np.full(4, 2.0))
    assert np.all(np.isfinite(result.variance))
    assert shrink(np.zeros(3), np.full(3, 2.0)).variance.tolist() == [0, 0, 0]


def test_quantiles_of_arrays():
    """As the tables say; degrees are at least 1, and so many of them make a normal."""
    result = t_quantiles(0.975, np.array([0.3, 4.0, 2.0, 1e9]))
    assert result == pytest.approx([12.7062, 2.77645, 4.30265, 1.95996], abs=1e-4)
    assert np.isfinite(t_quantiles(1 - 1e-15, 4.0))


def test_a_machine_that_stands_still_does_not_move():
    """Processes that differ by what each case does alone have no step in common."""
    noise = np.array([[0.0, 0.02, -0.02], [0.0, -0.02, 0.02]])
    assert within_runs([noise], [noise]).error == 0


def test_the_way_of_a_machine_that_gets_slower():
    """Steps of 1 %: the walk has 2 + 1/9 steps squared between two runs of 3; the trend has 3.

    1 + 2 (1/9 + 4/9) = 19/9, so 0.01 sqrt(19/9 + 9) = 0.033333.
    """
    run = np.arange(3) * 0.01 + np.arange(10.0)[:, None]
    result = within_runs([run], [run + 0.03])
    assert result.error == pytest.approx(0.0333333, abs=1e-6)
    assert result.dof == 4


def test_one_case_cannot_tell_the_machine_from_itself():
    """With one case alone nothing is common."""
    assert within_runs([np.array([[0.0, 1.0]])], [np.array([[2.0, 3.0]])]).error == 0


def test_runs_of_one_side_say_how_far_runs_lie_apart():
    """Two runs a side, 4 % apart in all cases: a mean square of .04^2, which two runs halve."""
    run = np.zeros((4, 3))
    result = between_runs([run, run + 0.04], [run, run - 0.04], [])
    assert result.error == pytest.approx(0.04 / math.sqrt(2))
    assert result.dof == pytest.approx(2 * 2 / 3)


def test_a_history_is_read_robustly():
    """Of ten steps of 1 %, one where code became twice as fast changes nothing."""
    levels = np.cumsum([0, 0.01, -0.01, 0.01, -0.01, -0.7, 0.01, -0.01, 0.01, -0.01, 0.01])
    result = between_runs(
        [np.zeros((4, 3))], [np.zeros((4, 3))], [np.full((4, 3), x) for x in levels]
    )
    assert result.error == pytest.approx(1.4826 * 0.01)
    assert result.dof == pytest.approx(3.7)


def test_a_short_history_says_nothing():
    """Four steps could all be changes of the code."""
    history = [np.full((4, 3), 0.1 * step) for step in range(5)]
    assert between_runs([np.zeros((4, 3))], [np.zeros((4, 3))], history).error == 0


def test_a_case_that_a_run_lacks_is_no_step():
    """A history without a case in one run has no step of it."""
    history = [np.zeros((3, 2)) for _ in range(7)]
    history[3][0] = np.nan
    apart = case_apart(
        [[np.zeros((3, 2))], [np.zeros((3, 2))]], history, np.full(3, 1e-4), np.full(3, 2.0)
    )
    assert apart == pytest.approx([0, 0, 0])


def test_runs_of_a_case_that_differ_by_themselves():
    """One case jumps 10 % up and down between runs of 2; its processes alone would explain 1 %."""
    history = [np.array([[level] * 2, [-level] * 2]) for level in (0, 0.1) * 6]
    variance = np.full(2, 1e-4)
    apart = case_apart([[np.zeros((2, 2))]] * 2, history, variance, np.full(2, 2.0))
    step = (1.4826 * 0.1) ** 2
    assert apart == pytest.approx([2 * (step / 2 - 1e-4 / 2)] * 2)


BASE = np.array([[0.0, 0.01, -0.01, 0.0, 0.01], [0.0, -0.01, 0.01, 0.0, -0.01]] * 10)


def test_a_slow_minority_is_left_out():
    """Two of five that take 30 % longer are left out; three of five are not, and say nothing."""
    new = BASE.copy()
    new[0, 3:] += 0.26
    new[1, 2:] += 0.26
    result = evidence([BASE], [new], alpha=0.01)
    assert result.excluded == 2
    assert result.change[0] == pytest.approx(0.0 - 0.002, abs=1e-9)
    assert result.change[1] == pytest.approx(0.156, abs=1e-9)  # three fifths of 0.26
    assert abs(result.change[1]) < result.half_width[1]


def test_a_process_that_is_slow_in_all_cases_is_left_out():
    """As a machine that is busy for a minute; no interval is longer by it."""
    new = BASE.copy()
    new[:, 0] += 0.26
    result = evidence([BASE], [new], alpha=0.01)
    assert (result.excluded, result.allowance) == (20, 0)
    assert np.all(np.abs(result.change) < 0.01)


def test_many_slow_processes_lengthen_the_intervals():
    """One of six is slow in half of the cases: three of three are, by chance, in 20 % of suites."""
    base = np.array([[0.0, 0.01, -0.01]] * 20)
    new = base.copy()
    new[::2, 0] += 0.26
    result = evidence([base], [new], alpha=0.01)
    assert result.allowance == pytest.approx(0.25)  # beside the median of the three, 0.01
    assert np.all(result.half_width > 0.25)


def test_a_little_slower_is_not_slow():
    """Where a clock shows no difference at all, 1 % more is no reason to be left out."""
    result = find_outliers([np.array([[0.0, 0.0, 0.01, 0.0]] * 3)])
    assert result.excluded[0] == 0


def test_two_processes_have_no_minority():
    """One of two is not left out: nobody knows which of them is usual."""
    result = find_outliers([np.array([[0.0, 0.5], [0.0, 0.01], [0.0, 0.01]])])
    assert result.excluded[0] == 0


def test_pairs_may_be_far_in_both_ways():
    """A slow process of the baseline makes a pair look fast; it is left out too."""
    new = BASE.copy()
    new[0, 1] -= 0.5
    assert find_outliers([new], both_ways=True).excluded[0] == 1
    assert find_outliers([new]).excluded[0] == 0


def test_a_history_of_runs_that_differ_is_believed():
    """Steady processes alone would call 5 %; runs of this machine differ by as much."""
    base, new = [BASE], [BASE + 0.05]
    history = [BASE + 0.05 * (-1) ** run for run in range(20)]
    alone = evidence(base, new, alpha=0.01)
    reported = evidence(base, new, history, alpha=0.01)
    assert np.all(alone.change > alone.half_width)
    assert np.all(reported.change < reported.half_width)


def test_pairs_share_what_the_machine_did_within_them():
    """Differences of 0, 1 and 2 % in all cases: their mean has an error of 1 % / sqrt(3)."""
    result = of_pairs(np.array([[0.0, 0.01, 0.02]] * 4))
    assert result.error == pytest.approx(0.01 / math.sqrt(3))
    assert result.dof == 2
