"""The change of variables from a general penalty to ridge."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.errors import InputError
from hpml_lab.theory import dropout
from hpml_lab.theory.dropout import ridge_column_norm, ridge_design, ridge_weights
from support import rational, strategies
from support.laws import agree, must_reject, planted
from support.rational import exact


@dataclass(frozen=True)
class Change:
    """A design, weights, an invertible penalty matrix and the root of a ridge strength."""

    X: np.ndarray
    w: np.ndarray
    gamma: np.ndarray
    root: Fraction
    shown: tuple

    @property
    def lam(self):
        """The ridge strength, a square so that its root is exact."""
        return float(self.root**2)


@st.composite
def changes(draw):
    """Problems with a penalty matrix that is neither symmetric nor diagonal in general."""
    X = draw(strategies.designs(width=3))
    outputs = draw(st.sampled_from([(), (2,)]))
    w, gamma = (
        draw(strategies.grids((X.shape[1], *outputs))),
        draw(strategies.invertible(X.shape[1])),
    )
    shown = tuple(draw(strategies.presented(values)) for values in (X, w, gamma))
    return Change(X, w, gamma, draw(strategies.STRENGTHS), shown)


def design_law(design, case):
    """X' gamma = sqrt(lam) X, solved exactly column by column in fractions."""
    X, gamma = exact(case.X), exact(case.gamma)
    oracle = case.root * rational.solve(gamma.T, X.T).T
    agree("ridge design", design(case.shown[0], case.shown[2], case.lam), oracle, 1.0)


def weights_law(weights, case):
    """||w'||^2 lam = ||gamma w||^2 and w' = gamma w / sqrt(lam), in fractions."""
    oracle = (exact(case.gamma) @ rational.columns(exact(case.w)) / case.root).reshape(case.w.shape)
    agree("ridge weights", weights(case.shown[1], case.shown[2], case.lam), oracle, 1.0)


@given(changes())
def test_the_ridge_design_is_exact(case):
    """X' = sqrt(lam) X gamma^-1 equals the exact solution of X' gamma = sqrt(lam) X."""
    design_law(ridge_design, case)


@given(changes())
def test_the_ridge_weights_are_exact(case):
    """The weights w' = gamma w / sqrt(lam) equal the product in fractions."""
    weights_law(ridge_weights, case)


@given(changes())
def test_both_problems_have_the_same_fit_and_penalty(case):
    """X' w' = X w and lam ||w'||^2 = ||gamma w||^2 for any weights."""
    X, w, gamma = case.shown
    w2 = np.asarray(ridge_weights(w, gamma, case.lam))
    X2 = np.asarray(ridge_design(X, gamma, case.lam))
    scale = float(np.abs(X2).max() * np.abs(w2).max())
    agree("same fit", X2 @ w2, case.X @ case.w, scale)
    agree("same penalty", case.lam * (w2**2).sum(), ((case.gamma @ case.w) ** 2).sum())


@given(strategies.regressions(keeps=strategies.PARTIAL, whole_columns=True), strategies.STRENGTHS)
def test_dropout_puts_all_columns_on_one_scale(case, lam):
    """With dropout's G every column of X' has norm sqrt(lam keep / (1 - keep)): no other scale."""
    keep = float(case.keep)
    X = case.shown[0]
    design = ridge_design(X, dropout.tikhonov_matrix(X, keep), float(lam))
    squared = (np.asarray(design) ** 2).sum(axis=0)
    oracle = np.full(len(squared), lam * case.keep / (1 - case.keep), object)
    agree("ridge column norms", squared, oracle)
    agree("ridge column norm", ridge_column_norm(keep, float(lam)) ** 2, oracle[0])


def inverse(gamma):
    """The inverse, for the wrong variants."""
    return np.linalg.inv(np.asarray(gamma, float))


WRONG_DESIGNS = {
    "inverse on the left": lambda X, gamma, lam: (
        np.sqrt(lam) * inverse(gamma) @ np.asarray(X, float)
        if len(X) == len(gamma)
        else ridge_design(X, gamma, lam)
    ),
    "transposed inverse": lambda X, gamma, lam: (
        np.sqrt(lam) * np.asarray(X, float) @ inverse(gamma).T
    ),
    "matrix, not its inverse": lambda X, gamma, lam: (
        np.sqrt(lam) * np.asarray(X, float) @ np.asarray(gamma, float)
    ),
    "divided by the root": lambda X, gamma, lam: np.asarray(X, float) @ inverse(gamma) / lam**0.5,
    "no root of lam": lambda X, gamma, lam: lam * np.asarray(X, float) @ inverse(gamma),
}
WRONG_WEIGHTS = {
    "multiplied by the root": lambda w, gamma, lam: (
        np.sqrt(lam) * np.asarray(gamma, float) @ np.asarray(w, float)
    ),
    "transposed": lambda w, gamma, lam: (
        np.asarray(gamma, float).T @ np.asarray(w, float) / lam**0.5
    ),
    "inverse": lambda w, gamma, lam: inverse(gamma) @ np.asarray(w, float) / lam**0.5,
}


@planted((design_law, WRONG_DESIGNS, changes()), (weights_law, WRONG_WEIGHTS, changes()))
def test_a_planted_fault_breaks_the_law(law, wrong, cases):
    """The inverse change of variables and its relatives are seen."""
    must_reject(law, wrong, cases)


def test_a_literal_design():
    """X = (3, 4), gamma = ((1, 1), (0, 2)), lam = 4 gives X' = (6, 1)."""
    design = ridge_design(np.array([[3.0, 4.0]]), np.array([[1.0, 1.0], [0.0, 2.0]]), 4)
    assert design == pytest.approx(np.array([[6.0, 1.0]]), rel=1e-12)


def test_penalties_of_unlike_size_are_still_invertible():
    """A diagonal matrix with entries 1e-20 and 1e20 has an inverse."""
    design = ridge_design(np.ones((1, 2)), np.diag([1e-20, 1e20]), 1)
    assert design == pytest.approx(np.array([[1e20, 1e-20]]), rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ridge_design(np.ones((1, 2)), np.ones((2, 2)), 1), "gamma cannot be inverted"),
        (lambda: ridge_design(np.ones((1, 2)), np.zeros((2, 2)), 1), "gamma cannot be inverted"),
        (lambda: ridge_design(np.ones((1, 2)), np.eye(3), 1), r"gamma has shape \(3, 3\); it must"),
        (lambda: ridge_design(np.ones((1, 2)), np.eye(2), 0), "lam is 0; it must be finite and ab"),
        (lambda: ridge_weights(np.ones(2), np.eye(2), -1), "lam is -1; it must be finite and ab"),
        (lambda: ridge_weights(np.ones(2), np.eye(2), np.inf), "lam is inf; it must be finite"),
        (lambda: ridge_column_norm(1, 1), "keep is 1; without dropout there is no penalty"),
        (lambda: ridge_column_norm(0, 1), "keep is 0; it must be above 0"),
        (lambda: ridge_column_norm(0.5, np.nan), "lam is nan; it must be finite and above 0"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    """Matrices without an inverse and strengths that are none are refused."""
    with pytest.raises(InputError, match=message):
        call()
