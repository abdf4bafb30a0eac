"""The mean path of SGD through dropout: against real runs under every sequence of masks."""

import numpy as np
import pytest
import torch
from hypothesis import given

from hpml_lab.errors import InputError
from hpml_lab.theory.dropout import inverted_minimiser
from hpml_lab.theory.dropout_training import (
    expected_hessian,
    expected_weights,
    largest_learning_rate,
)
from support import rational
from support.gradient_descent import every_end, runs
from support.laws import agree, must_reject
from support.rational import exact

X, Y = np.array([[10.0, 1.0]]), np.array([11.0])


def every_sequence(run):
    """Returns the mean of the last weights over every sequence of masks."""
    mean = sum(chance * weights for chance, weights in every_end(run))
    return mean.reshape(run.data.w.shape)


def step_by_step(run):
    """Returns the mean weights by iterating the enumerated moments, in fractions."""
    w = rational.columns(exact(run.data.w))
    keep = 1 - run.drop
    A, b = rational.moments(exact(run.data.X), exact(run.data.y), keep, 1 / keep)
    for _ in range(run.steps):
        w = w - run.lr * 2 * (A @ w - b) / run.data.y.size
    return w.reshape(run.data.w.shape)


def path_law(expected_weights, run):
    """The mean weights equal those of the enumerated moments, step by step."""
    scale = float(np.abs(run.data.w).max())
    agree("mean weights of SGD", run.evaluate(expected_weights), step_by_step(run), scale)


@given(runs(steps=2, rows=2, size=3))
def test_the_mean_weights_are_the_mean_over_every_sequence_of_masks(run):
    """All 2^(n d t) runs of SGD, weighted by their chance, end where the closed form says."""
    oracle = every_sequence(run)
    scale = float(np.abs(run.data.w).max())
    agree("mean over mask sequences", run.evaluate(expected_weights), oracle, scale)


@given(runs(steps=12))
def test_the_mean_weights_follow_the_enumerated_moments(run):
    """A dozen steps of exact arithmetic agree with the power of one matrix."""
    path_law(expected_weights, run)


@given(runs(steps=3))
def test_one_step_is_autograd_s(run):
    """Without dropout a step is the one that autograd takes on torch's mse_loss."""
    inputs, targets = torch.tensor(run.data.X), torch.tensor(run.data.y)
    w = torch.tensor(run.data.w, requires_grad=True)
    torch.nn.functional.mse_loss(inputs @ w, targets).backward()
    oracle = (w - float(run.lr) * w.grad).detach()
    got = expected_weights(run.data.X, run.data.y, 0, float(run.lr), 1, run.data.w)
    agree("one step of autograd", got, oracle, float(np.abs(run.data.w).max()))


@given(runs(steps=1))
def test_the_hessian_is_the_second_moment(run):
    """H = 2 E[x~ x~^T] / (n m), enumerated, with one or two outputs per row."""
    keep, outputs = 1 - run.drop, run.data.w[0].size
    A, _ = rational.moments(exact(run.data.X), exact(run.data.y), keep, 1 / keep)
    got = expected_hessian(run.data.shown[0], float(run.drop), outputs)
    agree("expected Hessian", got, 2 * A / run.data.y.size)


def with_hessian(factor, drop_of):
    """Mean weights with another factor or another drop probability, for the wrong variants."""

    def weights(X, y, drop, lr, steps, start):
        return expected_weights(X, y, drop_of(drop), lr * factor(np.asarray(y)), steps, start)

    return weights


WRONG_PATHS = {
    "2 of the square forgotten": with_hessian(lambda y: 0.5, lambda drop: drop),
    "sum instead of mean": with_hessian(lambda y: float(y.size), lambda drop: drop),
    "mean over rows alone": with_hessian(lambda y: float(y.size / len(y)), lambda drop: drop),
    "no dropout": with_hessian(lambda y: 1.0, lambda drop: 0.0),
    "drop for its odds": with_hessian(lambda y: 1.0, lambda drop: drop / (1 + drop)),
    "one step more": lambda X, y, drop, lr, steps, start: expected_weights(
        X, y, drop, lr, steps + 1, start
    ),
    "start ignored": lambda X, y, drop, lr, steps, start: expected_weights(X, y, drop, lr, steps),
}


@pytest.mark.parametrize("name", WRONG_PATHS)
def test_the_path_law_rejects(name):
    """A path with a planted mistake leaves the enumerated one."""
    must_reject(path_law, WRONG_PATHS[name], runs(steps=12))


def test_the_run_of_the_lab():
    """1000 steps at drop 0.5 and lr 1e-3 from zeros: (0.37582, 3.48494) on average."""
    w = expected_weights(X, Y, 0.5, 1e-3, 1000)
    assert np.round(w, 5).tolist() == [0.37582, 3.48494]


def test_a_repeated_row_changes_nothing_on_average():
    """The lab's batch of the row repeated 1024 times has the same mean weights."""
    many = expected_weights(np.repeat(X, 1024, axis=0), np.repeat(Y, 1024), 0.5, 1e-3, 1000)
    agree("repeated rows", many, expected_weights(X, Y, 0.5, 1e-3, 1000))


def test_the_run_converges_to_the_minimiser():
    """10,000 steps reach (11/30, 11/3) to 1e-9."""
    w = expected_weights(X, Y, 0.5, 1e-3, 10_000)
    assert w == pytest.approx(inverted_minimiser(X, Y, 0.5), rel=1e-9)


def test_the_hessian_of_the_lab():
    """At drop 0.5 it is 2 ((200, 10), (10, 2)); training is stable below lr 4.99e-3."""
    assert expected_hessian(X, 0.5).tolist() == [[400.0, 20.0], [20.0, 4.0]]
    # The larger root of z^2 - 404 z + 1200 is 202 + sqrt(39604).
    assert largest_learning_rate(X, 0.5) == pytest.approx(2 / (202 + 39604**0.5), rel=1e-12)


def test_below_the_largest_learning_rate_the_run_converges_and_above_it_grows():
    """1 % below it 20,000 steps reach the minimiser, 1 % above they lead away from it."""
    lr = largest_learning_rate(X, 0.5)
    best = inverted_minimiser(X, Y, 0.5)
    assert expected_weights(X, Y, 0.5, 0.99 * lr, 20_000) == pytest.approx(best, rel=1e-9)
    assert np.abs(expected_weights(X, Y, 0.5, 1.01 * lr, 2000)).max() > 1e6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expected_weights(X, Y, 1, 0.1, 1), "drop is 1; it must be 0 or more and below 1"),
        (lambda: expected_weights(X, Y, 0.5, 0, 1), "lr is 0; it must be finite and above 0"),
        (lambda: expected_weights(X, Y, 0.5, 0.1, -1), "steps is -1; it must be a whole number"),
        (lambda: expected_weights(X, Y, 0.5, 0.1, 1.5), r"steps is 1\.5; it must be a whole numb"),
        (lambda: expected_weights(X, Y, 0.5, 1, 1, Y), r"start has shape \(1,\); it must be \(2,"),
        (lambda: expected_weights(X, X[0], 0.5, 1, 1), r"y has shape \(2,\); it must be \(1,\)"),
        (lambda: expected_weights(X, Y, 0.5, 1, 10**6), "lr is 1; the weights overflow, choose a"),
        (lambda: expected_hessian(X, 0.5, 0), "outputs is 0; it must be a whole number, 1 or more"),
        (lambda: expected_hessian(X[0], 0.5), r"X has shape \(2,\); it must have 2 dimensions"),
        (lambda: largest_learning_rate(0 * X, 0.5), "X holds only zeros"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    """Bad rates, counts and shapes are refused; so is a run that overflows."""
    with pytest.raises(InputError, match=message):
        call()
