"""Dropout lab, 1(a) to 1(h): least squares and descent on one row, without dropout and with it.

All seeds of a case, and all drop probabilities of a sweep, train together. Training with dropout is
compared with the exact expected weights at the same step, not with the minimiser alone: after
10,000 steps at drop 0.1 the two still differ by 1.5 %.
"""

import numpy as np
import pytest

from hpml_lab.labs.dropout import SEEDS
from hpml_lab.labs.dropout.training import LEARNING_RATE, ROW, TARGET, Member, train
from hpml_lab.runs.schema import Learning
from hpml_lab.theory.dropout import inverted_minimiser
from hpml_lab.theory.dropout_training import expected_weights, standard_errors, weights_covariance
from hpml_lab.theory.duration import Work

X, Y = np.array([ROW]), np.array([TARGET])
MARKS = [1, 2, 5, 10, 20, 50, 100, 200, 400, 700, 1000]
LONG = [*MARKS, 2000, 4000, 7000, 10_000]
HALF, MANY = 0.5, 1024
ANALYTIC = [percent / 100 for percent in range(99)]
# Drop probabilities, and the final weights of descent without dropout.
SWEEPS = {
    "sgd": ([0.0, 0.1, 0.3, 0.5, 0.7], [110 / 101, 11 / 101]),
    "adam": ([0.0, 0.5], [1, 1]),
}
# With 30 comparisons at 6 standard errors, chance alone fails one of 10 million runs.
SIX = 6.0

pytestmark = [
    pytest.mark.learning,
    pytest.mark.hpml_once,
    pytest.mark.benchmark(group="dropout"),
]


@pytest.fixture
def trained(measure, training):
    """A function that trains an ensemble, saves its metrics at some steps and returns weights."""

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
    """Sets the settings of the case."""
    measure.case |= {"lab": "dropout", "method": method, "bias": len(row) > 2, **settings}


def columns(weights):
    """Returns weights (points, members, d) as metrics."""
    return {f"w{index + 1}": rounded(weights[..., index].T) for index in range(weights.shape[-1])}


def rounded(values):
    """Returns values rounded to nine digits, the precision of float32."""
    return [[float(f"{value:.9g}") for value in row] for row in values]


def on_course(weights, marks, drop, batch_size):
    """Asserts that an ensemble's mean is within six standard errors of the exact mean."""
    for step, seeds in zip(marks, weights, strict=True):
        off = standard_errors(seeds, X, Y, drop, LEARNING_RATE, step, batch_size)
        assert np.abs(off).max() < SIX, f"step {step}: {off} standard errors"


def test_least_squares(measure, training):
    """1(a, c, g) The minimiser for 99 drop probabilities; without dropout that of least norm."""
    name(measure, "least squares", device=training.device)
    weights = measure(
        lambda: np.array([inverted_minimiser(X, Y, drop) for drop in ANALYTIC]), rounds=1
    )
    measure.learning = Learning([0], ANALYTIC, columns(weights[:, None]))
    assert weights[0] == pytest.approx([1.08910891, 0.10891089], abs=1e-8)
    assert weights[50] == pytest.approx([11 / 30, 11 / 3], rel=1e-12)


@pytest.mark.parametrize("batch_size", [1, MANY])
def test_expected_course(measure, training, batch_size):
    """1(d, e) The exact mean and standard deviation of the weights at drop 0.5, by step."""
    name(measure, "expected", device=training.device, drop=HALF, batch_size=batch_size)

    def moments(step):
        mean = expected_weights(X, Y, HALF, LEARNING_RATE, step)
        covariance = weights_covariance(X, Y, HALF, LEARNING_RATE, step, batch_size)
        return [*mean, *np.sqrt(np.diag(covariance))]

    course = np.array(measure(lambda: [moments(step) for step in LONG], rounds=1))
    names = ("w1", "w2", "deviation1", "deviation2")
    values = {name: rounded(course[None, :, index]) for index, name in enumerate(names)}
    measure.learning = Learning([0], LONG, values)
    assert np.round(course[MARKS.index(1000), :2], 5).tolist() == [0.37582, 3.48494]


@pytest.mark.parametrize("bias", [False, True])
def test_without_dropout(trained, bias):
    """1(b) Descent ends at the solution of least norm, which a bias changes."""
    row = (*ROW, 1.0) if bias else ROW
    weights, losses = trained(0.0, 1, MARKS, row=row)
    shortest = np.array([110, 11, 11]) / 102 if bias else np.array([110, 11]) / 101
    assert np.abs(weights[-1, 0] - shortest).max() < 1e-5
    assert losses[-1, 0] < 1e-10


def test_batch_of_one(trained, measure):
    """1(d) The mean of two hundred seeds follows the exact mean; each seed fluctuates around it."""
    weights, losses = trained(HALF, 200, MARKS, batch_size=1)
    on_course(weights, MARKS, HALF, 1)
    assert weights[-1].std(0, ddof=1) == pytest.approx([0.140, 0.142], rel=0.3)
    nothing_kept = losses == TARGET**2
    measure.counters |= {"steps": losses.size, "steps_of_loss_121": int(nothing_kept.sum())}
    assert nothing_kept.mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.hpml_work(by=lambda: Work(small_steps=LONG[-1]))
def test_large_batch(trained, profile):
    """1(e) All seeds follow the exact mean, and reach the minimiser after 10,000 steps."""
    weights, losses = trained(HALF, SEEDS[profile.name], LONG, batch_size=MANY)
    on_course(weights, LONG, HALF, MANY)
    assert weights[-1].mean(0) == pytest.approx([11 / 30, 11 / 3], abs=0.02)
    assert (losses[0] == TARGET**2).all()
    assert losses[-1000:].mean() == pytest.approx(121 / 3, abs=0.1)


@pytest.mark.hpml_work(by=lambda: Work(small_steps=LONG[-1]))
@pytest.mark.parametrize("optimizer", SWEEPS)
def test_sweep(measure, training, profile, optimizer):
    """1(g, h) After 10,000 steps the weights jump at drop 0, where Adam and SGD differ."""
    drops, shortest = SWEEPS[optimizer]
    seeds = range(training.seed, training.seed + SEEDS[profile.name])
    members = [Member(drop, seed) for drop in drops for seed in seeds]
    how = {"batch_size": MANY, "steps": LONG[-1], "optimizer": optimizer}
    course = measure(lambda: train(members, **how, device=training.device), rounds=1)
    name(measure, "sweep", device=training.device, **how)
    ends = course.weights[-1].double().cpu().numpy().reshape(len(drops), len(seeds), 2)
    measure.learning = Learning([*seeds], drops, columns(ends))
    assert ends[0].mean(0) == pytest.approx(shortest, abs=1e-4)
    assert ends[drops.index(HALF)].mean(0) == pytest.approx([11 / 30, 11 / 3], abs=0.02)
    for drop, weights in zip(drops[1:], ends[1:], strict=True):
        if optimizer == "sgd":
            on_course([weights], LONG[-1:], drop, MANY)
