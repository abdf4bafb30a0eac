"""How far SGD through dropout wanders: against real runs under every sequence of masks."""

import numpy as np
import pytest
from hypothesis import given

from hpml_lab.errors import InputError
from hpml_lab.theory.dropout_training import standard_errors, weights_covariance
from support.gradient_descent import every_end, runs
from support.laws import agree, must_reject
from support.rational import exact

X, Y = np.array([[10.0, 1.0]]), np.array([11.0])
ONE_OUTPUT = runs(steps=2, rows=2, size=3).filter(lambda run: run.data.y.ndim == 1)


def every_sequence(run):
    """Returns the covariance of the last weights over every sequence of masks, in fractions."""
    size = len(run.data.w)
    mean, square = exact(np.zeros(size)), exact(np.zeros((size, size)))
    for chance, weights in every_end(run):
        w = weights[:, 0]
        mean, square = mean + chance * w, square + chance * np.multiply.outer(w, w)
    return square - np.multiply.outer(mean, mean)


def spread_law(weights_covariance, run):
    """The covariance equals the enumerated one; where it is 0, so do the digits of the squares."""
    X, y, start = run.data.shown
    got = weights_covariance(X, y, float(run.drop), float(run.lr), run.steps, 1, start)
    largest = max(1.0, float(np.abs(run.data.w).max()), float(np.abs(run.data.y).max()))
    agree("covariance of SGD", got, every_sequence(run), largest**2)


@given(ONE_OUTPUT)
def test_the_covariance_is_that_of_every_sequence_of_masks(run):
    """All 2^(n d t) runs of SGD, weighted by their chance, spread as the closed form says."""
    spread_law(weights_covariance, run)


@given(ONE_OUTPUT)
def test_copies_are_rows_repeated(run):
    """A batch of three copies has the covariance of a design with every row three times."""
    rest = float(run.drop), float(run.lr), run.steps
    repeated = np.repeat(run.data.X, 3, axis=0), np.repeat(run.data.y, 3)
    agree(
        "covariance with copies",
        weights_covariance(run.data.X, run.data.y, *rest, 3, run.data.w),
        weights_covariance(*repeated, *rest, 1, run.data.w),
        max(1.0, float(np.abs(run.data.w).max())) ** 2,
    )


def changed(factor, drop_of=lambda drop: drop, more_steps=0):
    """The covariance with a factor, another drop probability or more steps: wrong variants."""

    def covariance(X, y, drop, lr, steps, copies, start):
        other = weights_covariance(X, y, drop_of(drop), lr, steps + more_steps, copies, start)
        return factor * np.asarray(other)

    return covariance


WRONG = {
    "no spread": changed(0),
    "twice the spread": changed(2),
    "one step more": changed(1, more_steps=1),
    "drop for its odds": changed(1, lambda drop: drop / (1 + drop)),
    "batch of two": lambda X, y, drop, lr, steps, copies, start: weights_covariance(
        X, y, drop, lr, steps, 2, start
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_spread_law_rejects(name):
    """A covariance with a planted mistake differs from the enumerated one."""
    must_reject(spread_law, WRONG[name], ONE_OUTPUT)


def test_the_spread_of_the_lab():
    """After 1000 steps at drop 0.5 weights spread by (0.14, 0.14), a batch of 1024 by 1/32."""
    one, many = (
        np.sqrt(np.diag(weights_covariance(X, Y, 0.5, 1e-3, 1000, copies))) for copies in (1, 1024)
    )
    # 200 replicated runs had (0.140, 0.142), ten with the large batch (0.002, 0.005).
    assert one == pytest.approx([0.140, 0.142], rel=0.15)
    assert many == pytest.approx([0.002, 0.005], abs=0.003)


def test_without_dropout_nothing_spreads():
    """Every seed takes the same course."""
    assert np.abs(weights_covariance(X, Y, 0, 1e-3, 1000)).max() < 1e-12


def test_one_step_of_the_lab_by_hand():
    """From zero a step moves w1 by 0.44 or not at all, w2 by 0.044, independently."""
    one = weights_covariance(X, Y, 0.5, 1e-3, 1)
    assert one == pytest.approx(np.diag([0.22**2, 0.022**2]), abs=1e-15)


def test_standard_errors_are_those_of_the_mean():
    """Four seeds at w1 = 0.22 + 0.11 after one step: one standard error of 0.22 / 2 above."""
    weights = np.array([[0.33, 0.022]] * 4)
    result = standard_errors(weights, X, Y, 0.5, 1e-3, 1)
    assert result == pytest.approx([1, 0], abs=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: weights_covariance(np.ones((1, 9)), Y, 0.5, 0.1, 1), "X has 9 columns; at most 8"),
        (
            lambda: weights_covariance(X, X, 0.5, 0.1, 1),
            r"y has shape \(1, 2\); it must have 1 dim",
        ),
        (
            lambda: weights_covariance(X, Y, 1, 0.1, 1),
            "drop is 1; it must be 0 or more and below 1",
        ),
        (lambda: weights_covariance(X, Y, 0.5, 0, 1), "lr is 0; it must be finite and above 0"),
        (lambda: weights_covariance(X, Y, 0.5, 0.1, -1), "steps is -1; it must be a whole number"),
        (
            lambda: weights_covariance(X, Y, 0.5, 0.1, 1, 0),
            "copies is 0; it must be a whole number",
        ),
        (lambda: weights_covariance(X, Y, 0.5, 0.1, 1, 1, Y), r"start has shape \(1,\); it must"),
        (lambda: standard_errors(X, X, Y, 0.5, 1e-3, 0), "drop 0.5 and 0 steps leave no spread"),
        (lambda: standard_errors(X, X, Y, 0, 1e-3, 9), "drop 0 and 9 steps leave no spread"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    """Bad rates, counts and shapes are refused; so is a comparison with no spread."""
    with pytest.raises(InputError, match=message):
        call()
