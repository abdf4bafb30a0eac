"""Dropout lab, 1(a) to 1(h): least squares and descent on one row, without dropout and with it.

All seeds of a case, and all drop probabilities of a sweep, train together. Whoever trains behind
dropout is held against the expected weights at that very step, which are exact, and not against
the minimiser alone: after 10,000 steps at drop 0.1 the two are still 1.5 % apart.
"""

import numpy as np
import pytest

from hpml_lab.measure.record import Learning
from hpml_lab.theory.dropout import inverted_minimiser
from hpml_lab.theory.duration import Work
from hpml_lab.theory.gradient_noise import standard_errors, weights_covariance
from hpml_lab.theory.trajectory import expected_weights
from hpml_lab.workloads.linear_dropout import LEARNING_RATE, ROW, TARGET, Member, train

X, Y = np.array([ROW]), np.array([TARGET])
MARKS = [1, 2, 5, 10, 20, 50, 100, 200, 400, 700, 1000]
LONG = [*MARKS, 2000, 4000, 7000, 10_000]
HALF, MANY = 0.5, 1024
ANALYTIC = [percent / 100 for percent in range(99)]
# Drop probabilities, and where descent without dropout ends.
SWEEPS = {
    "sgd": ([0.0, 0.1, 0.3, 0.5, 0.7], [110 / 101, 11 / 101]),
    "adam": ([0.0, 0.5], [1, 1]),
}
# Of 30 comparisons at 6 standard errors chance alone fails one in 10 million runs.
SIX = 6.0

pytestmark = [
    pytest.mark.learning,
    pytest.mark.hpml_once,
    pytest.mark.benchmark(group="dropout"),
]


@pytest.fixture
def trained(measure, training):
    """Trains an ensemble, keeps what it learnt at some steps, and returns its weights there."""

    def run(drop, seeds, marks, **how):
        members = [Member(drop, training.seed + seed) for seed in range(seeds)]
        how |= {"steps": marks[-1], "device": training.device}
        course = measure(lambda: train(members, **how), rounds=1)
        name(measure, "descent", drop=drop, **how)
        weights = course.weights[marks].double().cpu().numpy()
        losses = course.losses.double().cpu().numpy()
        metrics = columns(weights) | {"loss": rounded(losses[np.array(marks) - 1].T)}
        measure.learning = Learning([member.seed for member in members], marks, metrics)
        return weights, losses

    return run


def name(measure, method, *, row=ROW, **settings):
    """Makes settings the case."""
    measure.case |= {"lab": "dropout", "method": method, "bias": len(row) > 2, **settings}


def columns(weights):
    """Returns weights (points, members, d) as metrics."""
    return {f"w{index + 1}": rounded(weights[..., index].T) for index in range(weights.shape[-1])}


def rounded(values):
    """Returns what is saved: nine digits, all that float32 has."""
    return [[float(f"{value:.9g}") for value in row] for row in values]


def on_course(weights, marks, drop, batch_size):
    """Asserts that an ensemble's mean is within six standard errors of the expected course."""
    for step, seeds in zip(marks, weights, strict=True):
        off = standard_errors(seeds, X, Y, drop, LEARNING_RATE, step, batch_size)
        assert np.abs(off).max() < SIX, f"step {step}: {off} standard errors"


def test_least_squares(measure, training):
    """1(a, c, g) The minimiser for 99 drop probabilities, without dropout the shortest solution."""
    name(measure, "least squares", device=training.device)
    found = measure(
        lambda: np.array([inverted_minimiser(X, Y, drop) for drop in ANALYTIC]), rounds=1
    )
    measure.learning = Learning([0], ANALYTIC, columns(found[:, None]))
    assert found[0] == pytest.approx([1.08910891, 0.10891089], abs=1e-8)
    assert found[50] == pytest.approx([11 / 30, 11 / 3], rel=1e-12)


@pytest.mark.parametrize("batch_size", [1, MANY])
def test_expected_course(measure, training, batch_size):
    """1(d, e) The exact mean and deviation of the weights at drop 0.5, step by step."""
    name(measure, "expected", device=training.device, drop=HALF, batch_size=batch_size)

    def moments(step):
        mean = expected_weights(X, Y, HALF, LEARNING_RATE, step)
        spread = weights_covariance(X, Y, HALF, LEARNING_RATE, step, batch_size)
        return [*mean, *np.sqrt(np.diag(spread))]

    found = np.array(measure(lambda: [moments(step) for step in LONG], rounds=1))
    names = ("w1", "w2", "deviation1", "deviation2")
    values = {name: rounded(found[None, :, index]) for index, name in enumerate(names)}
    measure.learning = Learning([0], LONG, values)
    assert np.round(found[MARKS.index(1000), :2], 5).tolist() == [0.37582, 3.48494]


@pytest.mark.parametrize("bias", [False, True])
def test_without_dropout(trained, bias):
    """1(b) Descent ends at the shortest solution; with a bias that is another one."""
    row = (*ROW, 1.0) if bias else ROW
    weights, losses = trained(0.0, 1, MARKS, row=row)
    shortest = np.array([110, 11, 11]) / 102 if bias else np.array([110, 11]) / 101
    assert np.abs(weights[-1, 0] - shortest).max() < 1e-5
    assert losses[-1, 0] < 1e-10


def test_batch_of_one(trained, measure):
    """1(d) Two hundred seeds keep to the expected course, and each wanders around it."""
    weights, losses = trained(HALF, 200, MARKS, batch_size=1)
    on_course(weights, MARKS, HALF, 1)
    assert weights[-1].std(0, ddof=1) == pytest.approx([0.140, 0.142], rel=0.3)
    nothing_kept = losses == TARGET**2
    measure.counters |= {"steps": losses.size, "steps_of_loss_121": int(nothing_kept.sum())}
    assert nothing_kept.mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.hpml_work(by=lambda: Work(small_steps=LONG[-1]))
def test_large_batch(trained, profile):
    """1(e) All seeds keep to the expected course, and reach the minimiser after 10,000 steps."""
    weights, losses = trained(HALF, profile.dropout_seeds, LONG, batch_size=MANY)
    on_course(weights, LONG, HALF, MANY)
    assert weights[-1].mean(0) == pytest.approx([11 / 30, 11 / 3], abs=0.02)
    assert (losses[0] == TARGET**2).all()
    assert losses[-1000:].mean() == pytest.approx(121 / 3, abs=0.1)


@pytest.mark.hpml_work(by=lambda: Work(small_steps=LONG[-1]))
@pytest.mark.parametrize("optimizer", SWEEPS)
def test_sweep(measure, training, profile, optimizer):
    """1(g, h) The ends of 10,000 steps jump at drop 0; there Adam ends elsewhere than SGD."""
    drops, shortest = SWEEPS[optimizer]
    seeds = range(training.seed, training.seed + profile.dropout_seeds)
    members = [Member(drop, seed) for drop in drops for seed in seeds]
    how = {"batch_size": MANY, "steps": LONG[-1], "optimizer": optimizer}
    course = measure(lambda: train(members, **how, device=training.device), rounds=1)
    name(measure, "sweep", device=training.device, **how)
    ends = course.weights[-1].double().cpu().numpy().reshape(len(drops), len(seeds), 2)
    measure.learning = Learning([*seeds], drops, columns(ends))
    assert ends[0].mean(0) == pytest.approx(shortest, abs=1e-4)
    assert ends[drops.index(HALF)].mean(0) == pytest.approx([11 / 30, 11 / 3], abs=0.02)
    for drop, each in zip(drops[1:], ends[1:], strict=True):
        if optimizer == "sgd":
            on_course([each], LONG[-1:], drop, MANY)
