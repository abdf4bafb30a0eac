"""From dropout's penalty to ridge: the change of variables, against sums over all masks.

As in `tikhonov`, ``keep`` is the probability that an entry is kept. What is compared is the
smallest value of the objective, which no change of variables may alter.
"""

import cmath
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from hpml_lab.claims.checks.formulas import equal, show
from hpml_lab.claims.checks.registry import Finding, decides
from hpml_lab.claims.checks.tikhonov import CASE, KEEPS, SQUARE, WEIGHTS, Case, Floats, penalty
from hpml_lab.theory.dropout import ridge_design, tikhonov_matrix

Design = Callable[[Floats, float], Floats]

LAMBDA = 2.5
_GRID = tuple(k / 10 for k in range(1, 10))


def design(x: Floats, keep: float) -> Floats:
    """Returns X' = sqrt(lambda) X G^-1."""
    return ridge_design(x, tikhonov_matrix(x, keep), LAMBDA)


def ridge_minimum(stated: Design, case: Case = CASE) -> Finding:
    """Finds whether ridge on a stated design has the smallest expected loss as its minimum."""
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
    # Only for a square X is the stated product defined at all.
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
    # Read with j for the i below the sum: as printed it names a column that need not exist.
    changed: Floats = np.sqrt(LAMBDA * keep / (1 - keep)) * x / np.sum(x**2, axis=0)
    return changed


def _enumerated_penalty(keep: float) -> Floats:
    excess = CASE.second_moment(keep) / keep**2 - CASE.x.T @ CASE.x
    diagonal: Floats = np.sqrt(np.diag(excess))
    return diagonal


def _enumerated_norms(keep: float) -> Floats:
    norms: Floats = np.linalg.norm(np.sqrt(LAMBDA) * CASE.x / _enumerated_penalty(keep), axis=0)
    return norms
