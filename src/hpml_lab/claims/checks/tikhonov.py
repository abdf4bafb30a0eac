"""Dropout as Tikhonov regularisation: every formula of the derivation against all masks.

One small case, not square, so that a product in the wrong order cannot pass: X is 3 x 2, 64 masks.
``keep`` is the probability that an entry is kept (the write-up's p), ``weights`` those of the
objective without rescaling, and G~ the diagonal matrix of the column norms of X.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import numpy.typing as npt

from hpml_lab.claims.checks.formulas import equal
from hpml_lab.claims.checks.registry import Finding, decides

Floats = npt.NDArray[np.float64]
Objective = Callable[[Floats, float], float]

WEIGHTS = [np.array(w) for w in ((0.0, 0.0), (1.0, 0.5), (-0.7, 2.0))]
KEEPS = (0.3, 0.5, 0.8)
_ORACLE = "mean over all 64 masks"


@dataclass(frozen=True)
class Case:
    """A regression problem whose inputs are dropped one by one."""

    x: Floats
    y: Floats

    def mean(self, function: Callable[[Floats], npt.ArrayLike], keep: float) -> Floats:
        """Returns the mean over all masks of a function of the masked inputs."""
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
        """Returns the weights of the smallest expected loss."""
        pull = self.mean(lambda masked: masked.T @ self.y, keep)
        weights = np.linalg.solve(self.second_moment(keep), pull)
        return np.asarray(weights, np.float64)


CASE = Case(np.array([[1.0, -2.0], [3.0, 0.5], [-1.5, 1.0]]), np.array([2.0, -1.0, 4.0]))
SQUARE = Case(CASE.x[:2], CASE.y[:2])
_GRAM = CASE.x.T @ CASE.x
_NORMS = np.diag(np.linalg.norm(CASE.x, axis=0))
_SQUARED_NORMS = np.diag(np.diag(_GRAM))


def objective(formula: Objective) -> Finding:
    """Finds whether a formula for the expected loss is right, at three weights and keep rates."""
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
