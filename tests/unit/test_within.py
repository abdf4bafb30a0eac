"""Which case of a run is the fastest, and whether that can be told."""

import numpy as np
import pytest

from hpml_lab.stats.fastest import fastest


def test_what_all_processes_share_cancels():
    """Processes differ by half, the cases within each by a tenth: the order is told."""
    first = np.array([1.0, 1.5, 1.2, 0.9, 1.1])
    second = 1.1 * first * [1.0, 1.01, 1.0, 0.99, 1.0]
    result = fastest({"a": list(first), "b": list(second)})
    assert (result.best, result.alike, result.is_told) == ("a", (), True)


def test_what_the_noise_covers_cannot_be_told():
    """0.960 +- 0.129 against 1.023 +- 0.021 s is no order; a case of twice the time is told."""
    result = fastest(
        {"x": [0.83, 0.96, 1.09], "y": [1.00, 1.02, 1.04], "z": [2.0, 2.3, 2.5]}, alpha=0.05
    )
    assert (result.best, result.alike) == ("x", ("y",))


def test_the_interval_by_hand():
    """Log ratios 0.08, 0.10, 0.12: t = 0.10 / (0.02 / sqrt 3) = 8.66; t(99.5 %, 2) is 9.92."""
    base = [1.0, 1.0, 1.0]
    other = list(np.exp([0.08, 0.10, 0.12]))
    assert not fastest({"a": base, "b": other}, alpha=0.01).is_told
    assert fastest({"a": base, "b": other}, alpha=0.02).is_told  # t(99 %, 2) is 6.96


@pytest.mark.parametrize("values", [{"a": [1.0], "b": [2.0]}, {"a": [1.0, 1.0], "b": [2.0]}])
def test_one_process_tells_no_order(values):
    """Nor do cases that were not measured by the same processes."""
    result = fastest(values)
    assert (result.best, result.alike) == ("a", ("b",))


def test_a_case_alone_is_the_fastest():
    """There is nothing to tell it from."""
    assert fastest({"a": [1.0]}).is_told


@pytest.mark.integration
def test_a_false_order_is_as_rare_as_stated():
    """Five equal cases in three processes, 4,000 times: any is told less often than at 1 %.

    A binomial of 4,000 at 1 % exceeds 75 with a chance of 2e-7.
    """
    rng = np.random.default_rng(0)
    runs = np.exp(
        0.03 * rng.standard_normal((4_000, 5, 3)) + 0.1 * rng.standard_normal((4_000, 1, 3))
    )
    false = sum(len(fastest(dict(enumerate(run.tolist()))).alike) < 4 for run in runs)
    assert false <= 75


def test_an_order_is_found():
    """Five cases 10 % apart, noise of 1 % in three processes: told in nine of ten runs and more."""
    rng = np.random.default_rng(0)
    levels = 0.1 * np.arange(5)[:, None]
    runs = np.exp(levels + 0.01 * rng.standard_normal((400, 5, 3)))
    assert sum(fastest(dict(enumerate(run.tolist()))).is_told for run in runs) >= 360
