"""Dropout as Tikhonov regularisation: every formula of the derivation against all masks.

The case is small and not square, so that a product in the wrong order fails: X is 3 x 2, 64 masks.
``keep`` is the probability that an entry is kept (the write-up's p), ``weights`` are those of the
objective without rescaling, and G~ is the diagonal matrix of the column norms of X.
"""

import cmath
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from hpml_lab.claims.checking import Finding, decides, equal, show
from hpml_lab.theory.dropout import ridge_design, tikhonov_matrix

Floats = npt.NDArray[np.float64]
Objective = Callable[[Floats, float], float]

WEIGHTS = [np.array(w) for w in ((0.0, 0.0), (1.0, 0.5), (-0.7, 2.0))]
KEEPS = (0.3, 0.5, 0.8)
_ORACLE = "mean over all 64 masks"


@dataclass(frozen=True)
class Case:
    """A regression problem whose inputs are dropped independently."""

    x: Floats
    y: Floats

    def mean(self, function: Callable[[Floats], npt.ArrayLike], keep: float) -> Floats:
        """Returns the mean of a function of the masked inputs over all masks."""
        total = np.zeros(())
        for bits in product((0, 1), repeat=self.x.size):
            share = keep ** sum(bits) * (1 - keep) ** (self.x.size - sum(bits))
            total = total + share * np.asarray(function(np.reshape(bits, self.x.shape) * self.x))
        return total

    def second_moment(self, keep: float) -> Floats:
        """Returns E[(R o X)^T (R o X)]."""
        return self.mean(lambda masked: masked.T @ masked, keep)

    def loss(self, weights: Floats, keep: float) -> float:
        """Returns E ||y - (R o X) w||^2."""
        return float(self.mean(lambda masked: np.sum((self.y - masked @ weights) ** 2), keep))

    def minimiser(self, keep: float) -> Floats:
        """Returns the weights of least expected loss."""
        pull = self.mean(lambda masked: masked.T @ self.y, keep)
        weights = np.linalg.solve(self.second_moment(keep), pull)
        return np.asarray(weights, np.float64)


CASE = Case(np.array([[1.0, -2.0], [3.0, 0.5], [-1.5, 1.0]]), np.array([2.0, -1.0, 4.0]))
SQUARE = Case(CASE.x[:2], CASE.y[:2])
_GRAM = CASE.x.T @ CASE.x
_NORMS = np.diag(np.linalg.norm(CASE.x, axis=0))
_SQUARED_NORMS = np.diag(np.diag(_GRAM))


def objective(formula: Objective) -> Finding:
    """Decides whether a formula for the expected loss is right, at three weights and keep rates."""
    cases = [(weights, keep) for weights in WEIGHTS for keep in KEEPS]
    stated = [formula(weights, keep) for weights, keep in cases]
    return equal(stated, [CASE.loss(*case) for case in cases], _ORACLE)


def with_second_moment(second_moment: Callable[[float], Floats]) -> Objective:
    """Returns the expanded objective y^T y - 2 keep w^T X^T y + w^T M w, for a given M."""

    def formula(weights: Floats, keep: float) -> float:
        cross = 2 * keep * weights @ CASE.x.T @ CASE.y
        return float(CASE.y @ CASE.y - cross + weights @ second_moment(keep) @ weights)

    return formula


def completed(norms: Floats) -> Objective:
    """Returns ||y - keep X w||^2 + keep (1 - keep) ||N w||^2, for a given N."""

    def formula(weights: Floats, keep: float) -> float:
        fit = np.sum((CASE.y - keep * CASE.x @ weights) ** 2)
        return float(fit + keep * (1 - keep) * np.sum((norms @ weights) ** 2))

    return formula


def penalty(x: Floats, keep: float) -> Floats:
    """Returns G = sqrt((1 - keep) / keep) G~."""
    matrix: Floats = np.sqrt((1 - keep) / keep) * np.diag(np.linalg.norm(x, axis=0))
    return matrix


def _traditional(weights: Floats, keep: float) -> float:
    w = keep * weights
    fit = np.sum((CASE.y - CASE.x @ w) ** 2)
    return float(fit + np.sum((penalty(CASE.x, keep) @ w) ** 2))


def _diagonal_alone(keep: float) -> Floats:
    return keep * _SQUARED_NORMS


def _without_the_square(keep: float) -> Floats:
    return _GRAM + keep * (1 - keep) * _SQUARED_NORMS


OBJECTIVES: dict[str, Objective] = {
    "001-2a-setup": with_second_moment(CASE.second_moment),
    "001-2a-line": with_second_moment(_without_the_square),
    "001-2a-final": completed(_NORMS),
    "001-2b-gamma": _traditional,
    "001-2d-gamma": completed(_SQUARED_NORMS),
}
for _id, _formula in OBJECTIVES.items():
    decides(_id)(partial(objective, _formula))


@decides("001-2a-offdiag")
def _off_diagonal() -> Finding:
    return equal(_diagonal_alone(0.3), CASE.second_moment(0.3), _ORACLE)


@decides("001-2a-matrix")
def _matrix_between() -> Finding:
    keep, weights = 0.3, WEIGHTS[1]
    factor = keep * np.eye(2) + keep**2 * (1 - np.eye(2))
    hadamard = weights @ (factor * _GRAM) @ weights
    right = weights @ CASE.second_moment(keep) @ weights
    evidence = f"{_ORACLE} {right:.6g}, element by element {hadamard:.6g}"
    if CASE.x.shape[0] != len(factor):
        return Finding(
            False, f"X^T {CASE.x.T.shape} times M {factor.shape} is not defined; {evidence}"
        )
    product = weights @ CASE.x.T @ factor @ CASE.x @ weights
    return Finding(bool(np.isclose(product, right)), f"the product is {product:.6g}; {evidence}")


@decides("001-2b-w")
def _rescaled() -> Finding:
    stated = [keep * CASE.minimiser(keep) for keep in KEEPS]
    right = []
    for keep in KEEPS:
        square = _GRAM + penalty(CASE.x, keep) ** 2
        right.append(np.linalg.solve(square, CASE.x.T @ CASE.y))
    return equal(np.array(stated), np.array(right), "minimiser of ||y - X w||^2 + ||G w||^2")


Design = Callable[[Floats, float], Floats]

LAMBDA = 2.5
_GRID = tuple(k / 10 for k in range(1, 10))


def design(x: Floats, keep: float) -> Floats:
    """Returns X' = sqrt(lambda) X G^-1."""
    return ridge_design(x, tikhonov_matrix(x, keep), LAMBDA)


def ridge_minimum(stated: Design, case: Case = CASE) -> Finding:
    """Decides whether the minimum of ridge on a stated design is the least expected loss."""
    shapes = {stated(case.x, keep).shape for keep in KEEPS}
    if shapes != {case.x.shape}:
        return Finding(False, f"stated design {shapes}; X is {case.x.shape}")
    values = [_smallest(stated(case.x, keep), case.y) for keep in KEEPS]
    right = [case.loss(case.minimiser(keep), keep) for keep in KEEPS]
    return equal(values, right, "smallest expected loss over all masks")


def _smallest(x: Floats, y: Floats) -> float:
    weights = np.linalg.solve(x.T @ x + LAMBDA * np.eye(x.shape[1]), x.T @ y)
    return float(np.sum((y - x @ weights) ** 2) + LAMBDA * np.sum(weights**2))


@decides("001-2c-w")
def _changed_weights() -> Finding:
    stated, right = [], []
    for keep in KEEPS:
        x = design(CASE.x, keep)
        for weights in WEIGHTS:
            changed = penalty(CASE.x, keep) @ (keep * weights) / np.sqrt(LAMBDA)
            stated.append(np.sum((CASE.y - x @ changed) ** 2) + LAMBDA * np.sum(changed**2))
            right.append(CASE.loss(weights, keep))
    return equal(stated, right, "mean over all masks")


@decides("001-2c-X")
def _inverse_on_the_left() -> Finding:
    # The stated product is only defined for a square X.
    square = ridge_minimum(_left_inverse, SQUARE)
    rows, columns = CASE.x.shape
    undefined = f"G^-1 ({columns} x {columns}) times X ({rows} x {columns}) is not defined"
    return Finding(rows == columns and square.holds, f"{undefined}; square X: {square.evidence}")


@decides("001-2d-T")
def _penalty_of_squares() -> Finding:
    stated, right = [], []
    for keep in KEEPS:
        stated.append(np.sqrt((1 - keep) / keep) * np.sum(CASE.x**2, axis=0))
        right.append(_enumerated_penalty(keep))
    return equal(np.array(stated), np.array(right), "from E[(R o X)^T (R o X)] over all masks")


@decides("001-2d-xij")
def _divided_by_squares() -> Finding:
    return ridge_minimum(_squares_below)


@decides("001-2d-norm")
def _norms_per_column() -> Finding:
    keep = 0.5
    factor = cmath.sqrt(LAMBDA) * cmath.sqrt(1 / (keep - 1))
    stated = factor * np.linalg.norm(CASE.x / np.sum(CASE.x**2, axis=0), axis=0)
    right = _enumerated_norms(keep)
    evidence = f"sqrt(1/(p-1)) is {cmath.sqrt(1 / (keep - 1)):.4g} at p = {keep}"
    evidence += f"; the column norms are {show(right)}, all sqrt(lambda p/(1-p))"
    return Finding(bool(np.allclose(stated, right)), evidence)


@decides("001-2d-mono")
def _norm_grows_with_keep() -> Finding:
    norms = np.array([_enumerated_norms(keep) for keep in _GRID])
    evidence = f"first column's norm for p = 0.1, 0.5, 0.9: {show(norms[[0, 4, 8], 0])}"
    return Finding(bool(np.all(np.diff(norms, axis=0) > 0)), evidence)


@decides("001-2d-bn")
def _scaled_but_not_centred() -> Finding:
    x = design(CASE.x, 0.5)
    factors = x / CASE.x
    normed = functional.batch_norm(torch.from_numpy(CASE.x), None, None, training=True).numpy()
    evidence = f"columns are scaled by {show(factors[0])}, their means go to {show(x.mean(axis=0))}"
    evidence += f"; batch norm's means are {show(np.round(normed.mean(axis=0), 12))}"
    scaled = np.allclose(factors, factors[0]) and np.abs(x.mean(axis=0)).min() > 0
    return Finding(bool(scaled and np.allclose(normed.mean(axis=0), 0)), evidence)


def _left_inverse(x: Floats, keep: float) -> Floats:
    changed: Floats = np.sqrt(LAMBDA) * np.linalg.inv(penalty(x, keep)) @ x
    return changed


def _squares_below(x: Floats, keep: float) -> Floats:
    # Read with j in place of the i below the sum; as printed it names a column that may not exist.
    changed: Floats = np.sqrt(LAMBDA * keep / (1 - keep)) * x / np.sum(x**2, axis=0)
    return changed


def _enumerated_penalty(keep: float) -> Floats:
    excess = CASE.second_moment(keep) / keep**2 - CASE.x.T @ CASE.x
    diagonal: Floats = np.sqrt(np.diag(excess))
    return diagonal


def _enumerated_norms(keep: float) -> Floats:
    norms: Floats = np.linalg.norm(np.sqrt(LAMBDA) * CASE.x / _enumerated_penalty(keep), axis=0)
    return norms
