"""Looking at pairs again and again raises no more false alarms than were allowed."""

from itertools import count

import numpy as np
import pytest

from hpml_lab.comparison.ab import pairs as pairs_module
from hpml_lab.comparison.ab.pairs import PairedExperiment
from support.runs import stock_run

CASES = 6
SUITES = 1000
ALPHA = 0.01
SPREAD = 0.01  # between processes of a case


def normal(random):
    """Returns the noise of a process, in logs: each case by itself."""
    return random.normal(0, SPREAD, CASES)


def heavy(random):
    """Returns noise with the tails of Student's t with three degrees of freedom."""
    return SPREAD / np.sqrt(3) * random.standard_t(3, CASES)


def crowded(random):
    """Returns noise of a runner on which one process of twenty is a fifth slower as a whole."""
    return normal(random) + 0.2 * (random.random() < 0.05)


class Side:
    """Measures six cases of a second each; what a pair has in common drifts with its number."""

    def __init__(self, random, noise, change):
        self.random, self.noise, self.change = random, noise, change

    def __call__(self, pair, settled):
        logs = 0.02 * np.sin(pair) + self.noise(self.random) + self.change
        seconds = zip(map(str, range(CASES)), np.exp(logs), strict=True)
        run = stock_run({name: second for name, second in seconds if name not in settled})
        return lambda: run


def words(seed, noise, most, change=0.0):
    """Returns what is said of the six cases after so many pairs at most."""
    random = np.random.default_rng(seed)
    changes = np.array([change] + [0.0] * (CASES - 1))
    sides = [Side(random, noise, changes * contender) for contender in (0, 1)]
    pairs = PairedExperiment(*sides, seed, ALPHA, 0.02)
    result = pairs.run(lambda: pairs.count >= most)
    return [verdict.verdict for verdict in result.verdicts]


def alarms(noise):
    """Returns the suites of equal sides in which any case is called changed."""
    lengths = np.random.default_rng(1).integers(2, 19, SUITES)
    return sum(
        not {"regressed", "improved"}.isdisjoint(words(seed, noise, most))
        for seed, most in enumerate(lengths)
    )


@pytest.mark.slow
@pytest.mark.parametrize("noise", [normal, heavy, crowded], ids=lambda noise: noise.__name__)
def test_equal_sides_raise_few_alarms(noise):
    """In 1 % of suites at most, whatever the noise and however often they are looked at."""
    result = alarms(noise)
    print(f"{noise.__name__}: {result} of {SUITES} suites with a false alarm")  # noqa: T201 (a figure)
    assert result <= ALPHA * SUITES


@pytest.mark.slow
def test_looking_at_full_alpha_each_time_would_not_do(monkeypatch):
    """The same suites, looked at after every pair without spending alpha."""
    monkeypatch.setattr(pairs_module, "alpha_of_look", lambda alpha, _number, *, last: alpha)
    monkeypatch.setattr(pairs_module, "look_pairs", lambda: count(2))
    assert alarms(normal) > 2 * ALPHA * SUITES


@pytest.mark.slow
@pytest.mark.parametrize(("change", "most"), [(0.05, 8), (0.10, 5)])
def test_a_change_is_found(change, most):
    """5 % within eight pairs and 10 % within five, where processes differ by 1 %: nine of ten."""
    result = [words(seed, normal, most, change)[0] for seed in range(200)]
    print(f"{change:.0%}: {result.count('regressed') / 200:.1%} found")  # noqa: T201 (a figure)
    assert result.count("regressed") >= 0.9 * 200
    assert "improved" not in result
