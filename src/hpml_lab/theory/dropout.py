"""Dropout on the inputs of a linear model is a ridge penalty on columns of equal scale.

Source: Srivastava et al. 2014, section 9.1 (linear regression); Wager et al. 2013, section 2.
With a mask R of independent Bernoulli(keep) entries, and G~ the diagonal matrix of the column
norms of X,

    E ||y - (R o X) w~||^2 = ||y - keep X w~||^2 + keep (1 - keep) ||G~ w~||^2.

w~ are the weights of the loss without rescaling of what is kept; w = keep w~ the weights of the
traditional problem ||y - X w||^2 + ||G w||^2, and of inverted dropout, which divides what is kept
by keep, as PyTorch does.

Shapes: X (n, d); y (n,) or (n, m); weights (d,) or (d, m), as y. Results are of X's kind, float64.
"""

import numpy as np

from hpml_lab.theory.arrays import Array, Floats, floats, like, of_shape
from hpml_lab.theory.least_squares import (
    column_norms,
    minimum_norm,
    penalised,
    problem,
    weights_shape,
)
from hpml_lab.theory.ridge import ridge_column_norm, ridge_design, ridge_weights
from hpml_lab.theory.scalars import dropped, kept

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
        X: inputs, (n, d).
        y: targets, (n,) or (n, m).
        w: the weights w~ without rescaling, (d,) or (d, m).
        keep: the probability that an input is kept.

    Raises:
        InputError: for shapes that do not fit, values that are not finite, keep outside (0, 1].
    """
    inputs, targets = problem(X, y)
    keep = kept(keep)
    weights = of_shape("w", w, weights_shape(inputs, targets))
    residual = targets - keep * (inputs @ weights)
    spread = column_norms(inputs) * weights.T
    return like(X, np.sum(residual**2) + keep * (1 - keep) * np.sum(spread**2))


def tikhonov_matrix(X: Array, keep: float) -> Array:
    """Returns G = sqrt((1 - keep) / keep) G~, shape (d, d), diagonal.

    G~ holds the column NORMS of X, not their squares. ||G w||^2 is the penalty beside
    ||y - X w||^2, with w = keep w~; for the weights w~ themselves it is
    keep (1 - keep) ||G~ w~||^2 = ||keep G w~||^2.

    Raises:
        InputError: for X not (n, d) or not finite, keep outside (0, 1].
    """
    inputs, keep = floats("X", X, {2}), kept(keep)
    return like(X, np.sqrt((1 - keep) / keep) * np.diag(column_norms(inputs)))


def minimiser(X: Array, y: Array, keep: float) -> Array:
    """Returns the weights w~ with the smallest `expected_loss`, without rescaling.

    w~ = (keep^2 X^T X + keep (1 - keep) G~^2)^-1 keep X^T y. Where several weights are equally
    good (keep 1 and X without full column rank, or a column of zeros) it is the one of minimum
    Euclidean norm.

    Raises:
        InputError: for shapes that do not fit, values that are not finite, keep outside (0, 1].
    """
    inputs, targets = problem(X, y)
    keep = kept(keep)
    return like(X, _weights(inputs, targets, keep, 1 - keep))


def inverted_minimiser(X: Array, y: Array, drop: float) -> Array:
    """Returns the weights w with the smallest expected loss of inverted dropout.

    w = (X^T X + G^2)^-1 X^T y = keep w~ with keep = 1 - drop: what a linear layer behind PyTorch's
    dropout converges to. Of minimum Euclidean norm where there are several.

    Args:
        X: inputs, (n, d).
        y: targets, (n,) or (n, m).
        drop: the probability that an input is dropped, PyTorch's p.

    Raises:
        InputError: for shapes that do not fit, values that are not finite, drop outside [0, 1).
    """
    inputs, targets = problem(X, y)
    drop = dropped(drop)
    return like(X, (1 - drop) * _weights(inputs, targets, 1 - drop, drop))


def rescale(w: Array, keep: float) -> Array:
    """Returns w = keep w~, the weights of the traditional problem, of the shape and kind of w.

    Raises:
        InputError: for values that are not finite, keep outside (0, 1].
    """
    return like(w, kept(keep) * floats("w", w, {1, 2}))


def limit_minimiser(X: Array, y: Array) -> Array:
    """Returns the limit of `inverted_minimiser` as drop falls to 0 without reaching it.

    Of all least-squares weights it is the one with the smallest ||G~ w||, so columns count by what
    they contribute and not by their units.

    Raises:
        InputError: for shapes that do not fit or values that are not finite.
    """
    return like(X, penalised(*problem(X, y), 1.0, 0.0))


def jump_at_zero(X: Array, y: Array) -> Array:
    """Returns the limit for drop to 0 minus the minimiser at 0: the discontinuity.

    It is 0 when X has full column rank, since the least-squares weights are then unique.

    Raises:
        InputError: for shapes that do not fit or values that are not finite.
    """
    inputs, targets = problem(X, y)
    return like(X, penalised(inputs, targets, 1.0, 0.0) - minimum_norm(inputs, targets))


def _weights(inputs: Floats, targets: Floats, keep: float, drop: float) -> Floats:
    if drop == 0:
        return minimum_norm(inputs, targets)
    return penalised(inputs, targets, keep, drop)
