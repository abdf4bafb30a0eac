"""On machines whose noise is known, verdicts are as seldom wrong, and see as much, as they say.

`pytest tests/analytic/test_verdict_errors.py -v` prints the table.
"""

import numpy as np
import pytest

from hpml_lab.stats import two_sample as evidence_module
from hpml_lab.stats.drift import Drift
from hpml_lab.stats.outliers import Outliers
from hpml_lab.stats.two_sample import evidence
from support import simulated_suites
from support.coverage_trials import fewest
from support.verdict_trials import ALPHA, CASES, SUITES, entered, errors, paired, regressed

POWER = 0.9
MOST_FALSE = 1 - fewest(1 - ALPHA, SUITES)  # what chance explains of 1 %
COUNTS = [3, pytest.param(5, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.slow)]
MACHINES = [
    simulated_suites.steady,
    simulated_suites.slow_processes,
    simulated_suites.slow_cases,
    simulated_suites.equally_slow_cases,
    simulated_suites.heavy_tails,
    simulated_suites.walking,
    simulated_suites.warming,
]
by_name = {"ids": lambda machine: machine.__name__}


@pytest.mark.parametrize("processes", COUNTS)
@pytest.mark.parametrize("machine", MACHINES, **by_name)
def test_unchanged_suites_are_seldom_called_regressed(machine, processes):
    """Of suites of 50 unchanged cases 1 % have a regression; 90 % of stated changes are seen."""
    result = entered(machine, processes)
    assert result["false"] <= MOST_FALSE
    assert result["power"] >= POWER


@pytest.mark.parametrize("processes", COUNTS)
@pytest.mark.parametrize(
    "machine",
    [simulated_suites.slow_cases, simulated_suites.walking, simulated_suites.warming],
    **by_name,
)
def test_pairs_are_seldom_called_regressed(machine, processes):
    """The same holds of pairs in random order, on machines that drift or are slow at times."""
    result = entered(machine, processes, paired)
    assert result["false"] <= MOST_FALSE
    assert result["power"] >= POWER


@pytest.mark.slow
def test_pairs_see_what_drift_hides():
    """On a machine that gets slower, ten pairs see 5 % where ten processes a side do not."""
    assert errors(simulated_suites.warming, 10, paired)["+5 %"] > 0.9
    assert errors(simulated_suites.warming, 10)["+5 %"] < 0.1


@pytest.mark.parametrize(
    "machine", [simulated_suites.slow_cases, simulated_suites.heavy_tails], **by_name
)
def test_what_others_do_alarms_in_most_suites(machine):
    """A threshold of 5 % on means, and tests that count rounds, alarm on the same rounds."""
    result = errors(machine, 3)
    assert result["threshold"] > 0.3
    assert min(result["Mann-Whitney"], result["Welch"]) > 0.99


def test_a_level_of_each_run_is_not_seen_without_a_history():
    """What differs between runs, and not within them, no comparison of two runs can know."""
    assert entered(simulated_suites.shifted, 3)["false"] > 0.1


def _with_history(runs):
    """Judges runs of 3 processes, each with a level of its own as in `simulated_suites.shifted`."""
    rng = np.random.default_rng(7)
    own = 0.01 * np.exp(0.5 * rng.standard_normal((SUITES, CASES, 1)))
    saved = [
        0.02 * rng.standard_normal((SUITES, 1, 1)) + own * rng.standard_normal((SUITES, CASES, 3))
        for _ in range(runs + 2)
    ]
    return evidence([saved[-2]], [saved[-1]], saved[:-2], alpha=ALPHA)


@pytest.mark.parametrize("runs", [6, 12, 30])
def test_a_history_knows_the_levels_of_runs(runs):
    """With the machine's history the same levels are allowed for."""
    assert regressed(_with_history(runs)).any(-1).mean() <= MOST_FALSE


def test_without_the_machine_s_movement_drift_would_alarm(monkeypatch):
    """The planted fault: nothing is added for what all cases have in common."""
    monkeypatch.setattr(evidence_module, "within_runs", lambda *_sides: Drift.none())
    assert errors(simulated_suites.warming, 5)["false"] > 0.5


def _often_slow(rng, shape):
    slow = simulated_suites.SLOW * (rng.random(shape[:3]) < 0.1)
    return simulated_suites.steady(rng, shape) + slow[..., None]


def test_without_longer_intervals_slow_sides_would_alarm(monkeypatch):
    """The planted fault: 10 % of processes are slow, so a side has but such in 5 % of suites."""
    assert errors(_often_slow, 3)["false"] <= MOST_FALSE
    monkeypatch.setattr(Outliers, "allowance", lambda *_arguments: np.zeros(()))
    assert errors(_often_slow, 3)["false"] > 0.03


def test_without_sharing_alpha_fifty_cases_would_alarm(monkeypatch):
    """The planted fault: each case has alpha for itself."""
    quantiles = evidence_module.t_quantiles
    monkeypatch.setattr(
        evidence_module,
        "t_quantiles",
        lambda probability, dof: quantiles(np.minimum(probability, 1 - ALPHA / 2), dof),
    )
    assert errors(simulated_suites.steady, 3)["false"] > 2 * MOST_FALSE
