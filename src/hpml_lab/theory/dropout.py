"""Dropout in linear regression: expected loss, minimisers, and equivalent ridge regression.

Source: Hastie, Tibshirani and Friedman 2009, section 3.4.1 for ridge; the change of variables is
w' = G w / sqrt(lam), X' = sqrt(lam) X G^-1, which leaves X' w' = X w and
lam ||w'||^2 = ||G w||^2.
"""

import numpy as np

from hpml_lab.errors import InputError
from hpml_lab.theory.arrays import Array, Floats, Values, floats, like, of_shape
from hpml_lab.theory.least_squares import (
    column_norms,
    minimum_norm,
    penalised,
    problem,
    weights_shape,
)
from hpml_lab.theory.validation import check_drop, check_keep, check_positive


def ridge_design(X: Array, gamma: Array, lam: float) -> Array:
    """Returns X' = sqrt(lam) X gamma^-1, shape (n, d); with the inverse on the right.

    Args:
        X: Inputs, (n, d).
        gamma: Penalty matrix, (d, d), invertible; `dropout.tikhonov_matrix` for dropout.
        lam: Ridge strength, above 0.

    Raises:
        InputError: for incompatible shapes, values that are not finite, a gamma that cannot be
            inverted, or lam not above 0.
    """
    inputs = floats("X", X, {2})
    matrix = _invertible(gamma, inputs.shape[1])
    return like(X, np.sqrt(check_positive("lam", lam)) * np.linalg.solve(matrix.T, inputs.T).T)


def ridge_weights(w: Array, gamma: Array, lam: float) -> Array:
    """Returns w' = gamma w / sqrt(lam), the weights for the inputs of `ridge_design`.

    Args:
        w: Weights of the penalised problem, (d,) or (d, m).
        gamma: Penalty matrix, (d, d), invertible.
        lam: Ridge strength, above 0.

    Raises:
        InputError: as `ridge_design`.
    """
    weights = floats("w", w, {1, 2})
    matrix = _invertible(gamma, len(weights))
    return like(w, matrix @ weights / np.sqrt(check_positive("lam", lam)))


def ridge_column_norm(keep: float, lam: float) -> float:
    """Returns sqrt(lam keep / (1 - keep)), the norm of every column of dropout's ridge design.

    Raises:
        InputError: for keep outside (0, 1) or lam not above 0.
    """
    if check_keep(keep) == 1:
        raise InputError(f"keep is {keep!r}; without dropout there is no penalty to rescale by")
    return float(np.sqrt(check_positive("lam", lam) * keep / (1 - keep)))


def _invertible(gamma: Values, size: int) -> Floats:
    matrix = of_shape("gamma", gamma, (size, size))
    norms = column_norms(matrix)
    # Normalised columns, or a diagonal with entries of very different size would appear singular.
    if not norms.all() or np.linalg.matrix_rank(matrix / norms) < size:
        raise InputError("gamma cannot be inverted; every column of X needs a penalty of its own")
    return matrix


__all__ = [
    "expected_loss",
    "inverted_minimiser",
    "jump_at_zero",
    "limit_minimiser",
    "minimiser",
    "rescale",
    "ridge_column_norm",
    "ridge_design",
    "ridge_weights",
    "tikhonov_matrix",
]


def expected_loss(X: Array, y: Array, w: Array, keep: float) -> Array:
    """Returns E ||y - (R o X) w||^2, a sum over rows and outputs, of shape ().

    Args:
        X: Inputs, (n, d).
        y: Targets, (n,) or (n, m).
        w: Weights w~ without rescaling, (d,) or (d, m).
        keep: Probability that an input is kept.

    Raises:
        InputError: for incompatible shapes, values that are not finite, keep outside (0, 1].
    """
    inputs, targets = problem(X, y)
    keep = check_keep(keep)
    weights = of_shape("w", w, weights_shape(inputs, targets))
    residual = targets - keep * (inputs @ weights)
    scaled = column_norms(inputs) * weights.T
    return like(X, np.sum(residual**2) + keep * (1 - keep) * np.sum(scaled**2))


def tikhonov_matrix(X: Array, keep: float) -> Array:
    """Returns G = sqrt((1 - keep) / keep) G~, shape (d, d), diagonal.

    G~ holds the column NORMS of X, not their squares. ||G w||^2 is the penalty added
    to ||y - X w||^2, with w = keep w~; for the weights w~ themselves it is
    keep (1 - keep) ||G~ w~||^2 = ||keep G w~||^2.

    Raises:
        InputError: for X not (n, d) or not finite, keep outside (0, 1].
    """
    inputs, keep = floats("X", X, {2}), check_keep(keep)
    return like(X, np.sqrt((1 - keep) / keep) * np.diag(column_norms(inputs)))


def minimiser(X: Array, y: Array, keep: float) -> Array:
    """Returns the weights w~ with the smallest `expected_loss`, without rescaling.

    w~ = (keep^2 X^T X + keep (1 - keep) G~^2)^-1 keep X^T y. If several weights are
    minimal (keep 1 and X without full column rank, or a column of zeros) it is the one of minimum
    Euclidean norm.

    Raises:
        InputError: for incompatible shapes, values that are not finite, keep outside (0, 1].
    """
    inputs, targets = problem(X, y)
    keep = check_keep(keep)
    return like(X, _weights(inputs, targets, keep, 1 - keep))


def inverted_minimiser(X: Array, y: Array, drop: float) -> Array:
    """Returns the weights w with the smallest expected loss of inverted dropout.

    w = (X^T X + G^2)^-1 X^T y = keep w~ with keep = 1 - drop: the limit of a linear layer after
    PyTorch's dropout. Of minimum Euclidean norm if there are several.

    Args:
        X: Inputs, (n, d).
        y: Targets, (n,) or (n, m).
        drop: Probability that an input is dropped, PyTorch's p.

    Raises:
        InputError: for incompatible shapes, values that are not finite, drop outside [0, 1).
    """
    inputs, targets = problem(X, y)
    drop = check_drop(drop)
    return like(X, (1 - drop) * _weights(inputs, targets, 1 - drop, drop))


def rescale(w: Array, keep: float) -> Array:
    """Returns w = keep w~, the weights of the traditional problem, of w's shape and array type.

    Raises:
        InputError: for values that are not finite, keep outside (0, 1].
    """
    return like(w, check_keep(keep) * floats("w", w, {1, 2}))


def limit_minimiser(X: Array, y: Array) -> Array:
    """Returns the limit of `inverted_minimiser` for drop to 0 from above.

    Of all least-squares weights it is the one with the smallest ||G~ w||, so the result does not
    depend on the units of the columns.

    Raises:
        InputError: for incompatible shapes or values that are not finite.
    """
    return like(X, penalised(*problem(X, y), 1.0, 0.0))


def jump_at_zero(X: Array, y: Array) -> Array:
    """Returns the limit for drop to 0 minus the minimiser at 0: the discontinuity.

    It is 0 when X has full column rank, since the least-squares weights are then unique.

    Raises:
        InputError: for incompatible shapes or values that are not finite.
    """
    inputs, targets = problem(X, y)
    return like(X, penalised(inputs, targets, 1.0, 0.0) - minimum_norm(inputs, targets))


def _weights(inputs: Floats, targets: Floats, keep: float, drop: float) -> Floats:
    if drop == 0:
        return minimum_norm(inputs, targets)
    return penalised(inputs, targets, keep, drop)
