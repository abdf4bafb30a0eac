"""How often a history without a step shows one, and how often a step is found where it is.

All noise is in units of 1 %. A history of many cases is alarmed if any of them is.
"""

import numpy as np
import pytest

from hpml_lab.stats.change_points import change_points, clipped, window_statistics
from support.coverage_trials import fewest

ALPHA = 0.01
CASES = 60
EACH = 1 - (1 - ALPHA) ** (1 / CASES)


def independent(rng, shape):
    """Every run is on its own."""
    return rng.standard_normal(shape)


def skewed(rng, shape):
    """Nothing makes a run faster, much makes it slower."""
    return rng.exponential(1, shape)


def heavy_tails(rng, shape):
    """Student's t with 3 degrees of freedom."""
    return rng.standard_t(3, shape)


def correlated(rho):
    """A run is like the one before: autoregressive."""

    def noise(rng, shape):
        values = rng.standard_normal(shape)
        for run in range(1, shape[-1]):
            values[..., run] *= np.sqrt(1 - rho**2)
            values[..., run] += rho * values[..., run - 1]
        return values

    return _named(noise, f"autoregressive {rho}")


def wandering(size):
    """The machine wanders, a little from each run to the next, beside independent noise."""

    def noise(rng, shape):
        return rng.standard_normal(shape) + size * rng.standard_normal(shape).cumsum(-1)

    return _named(noise, f"random walk {size}")


def drifting(slope):
    """The machine gets slower, by as much with every run, beside independent noise."""

    def noise(rng, shape):
        return rng.standard_normal(shape) + slope * np.arange(shape[-1])

    return _named(noise, f"drift {slope}")


def hosts(share, slower):
    """Some runs are on a slower host, by so many times the noise."""

    def noise(rng, shape):
        return rng.standard_normal(shape) + slower * (rng.random(shape) < share)

    return _named(noise, f"{share:.0%} of slower hosts")


def _named(noise, name):
    noise.__name__ = name
    return noise


NOISES = [
    independent,
    skewed,
    heavy_tails,
    correlated(0.3),
    correlated(0.6),
    wandering(0.1),
    drifting(0.02),
    drifting(0.1),
    drifting(1.0),
]
HOSTS = [hosts(0.1, 60), hosts(0.2, 20), hosts(0.3, 60), hosts(0.5, 60)]
LENGTHS = (8, 30, 47, 48, 100, 200)


def alarms(noise, runs, histories, cases=1, alpha=ALPHA):
    """Returns the share of histories with any step."""
    rng = np.random.default_rng([2026, runs, cases])
    one = 1 - (1 - alpha) ** (1 / cases)
    result = 0
    for _ in range(histories // 50):
        series = clipped(0.01 * noise(rng, (50, cases, runs)))
        result += (window_statistics(series, [0, runs], one)[0] > 1).any((-1, -2)).sum()
    return result / histories


def most(rate, trials):
    """Returns the largest share of alarms that chance explains: a larger one has 1e-6."""
    return 1 - fewest(1 - rate, trials)


@pytest.mark.parametrize("runs", LENGTHS)
@pytest.mark.parametrize("noise", [*NOISES, *HOSTS], ids=lambda noise: noise.__name__)
def test_one_case_is_rarely_alarmed(noise, runs):
    """Noise and drift of a single case look like a step no more often than alpha says."""
    assert alarms(noise, runs, 1000) <= most(ALPHA, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("runs", LENGTHS)
@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.__name__)
def test_a_history_of_sixty_cases_is_rarely_alarmed(noise, runs):
    """Any of 60 cases is alarmed in no more histories than alpha says."""
    assert alarms(noise, runs, 300, CASES) <= most(ALPHA, 300)


@pytest.mark.parametrize("noise", [correlated(0.6), drifting(0.3)], ids=lambda n: n.__name__)
def test_a_test_of_independent_values_would_be_caught(noise, monkeypatch):
    """Student's t alone is alarmed by correlated runs and by drifts far too often."""
    monkeypatch.setattr("hpml_lab.stats.change_points._Beside._inflation", lambda *_: 1.0)
    monkeypatch.setattr("hpml_lab.stats.change_points._LOCAL_FACTOR", 1.0)
    assert alarms(noise, 60, 1000) > most(ALPHA, 1000)


@pytest.mark.parametrize(
    ("runs", "noise", "change", "share"),
    [
        (30, 0.01, 0.10, 0.97),
        (60, 0.01, 0.10, 0.97),
        (200, 0.01, 0.10, 0.97),
        (30, 0.01, 0.05, 0.70),
        (60, 0.01, 0.05, 0.70),
        (200, 0.01, 0.05, 0.95),
        (30, 0.02, 0.10, 0.65),
        (60, 0.02, 0.10, 0.65),
        (200, 0.02, 0.10, 0.90),
    ],
)
def test_a_planted_step_is_found_where_it_is(runs, noise, change, share):
    """In a history of 60 cases, a step in the middle is found at its run, or at the one beside."""
    rng = np.random.default_rng(7)
    values = noise * rng.standard_normal((200, runs))
    values[:, runs // 2 :] += np.log1p(change)
    result = [[step.index for step in change_points(series, EACH)] for series in values]
    right = [len(places) == 1 and abs(places[0] - runs // 2) <= 1 for places in result]
    assert np.mean(right) >= share


def test_the_bound_of_an_alarm_test_is_the_binomial_s():
    """Of 1000 histories at 1 %, more than 28 alarms have a chance of 9.6e-7, than 27 of 3.1e-6."""
    assert most(0.01, 1000) == pytest.approx(0.028)
