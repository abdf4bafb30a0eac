"""Least-squares and penalised weights, of minimum norm if there are several.

Every loss of `theory.dropout` has the normal equations (keep A + drop N) w = X^T y with A = X^T X
and N = diag(A). Solving them directly would square the condition number; an SVD of X does not.
"""

import numpy as np

from hpml_lab.theory.arrays import Floats, Values, floats, of_shape


def problem(X: Values, y: Values) -> tuple[Floats, Floats]:
    """Returns inputs (n, d) and targets (n,) or (n, m) as float64.

    Raises:
        InputError: for incompatible shapes, or values that are not finite.
    """
    inputs, targets = floats("X", X, {2}), floats("y", y, {1, 2})
    return inputs, of_shape("y", targets, (len(inputs), *targets.shape[1:]))


def weights_shape(inputs: Floats, targets: Floats) -> tuple[int, ...]:
    """Returns the shape of the weights that map inputs to targets: (d,) or (d, m)."""
    return (inputs.shape[1], *targets.shape[1:])


def column_norms(X: Floats) -> Floats:
    """Returns the Euclidean norm of each column, shape (d,), safe from overflow."""
    norms: Floats = np.hypot.reduce(X, axis=0)
    return norms


def minimum_norm(X: Floats, y: Floats) -> Floats:
    """Returns the least-squares weights of smallest Euclidean norm, shape (d,) or (d, m)."""
    return _filtered(X, y, 1.0, 0.0)


def penalised(X: Floats, y: Floats, keep: float, drop: float) -> Floats:
    """Returns the solution w of (keep A + drop N) w = X^T y, shape (d,) or (d, m).

    With ``drop`` 0 it is the limit from above: of all least-squares weights those with the
    smallest ||N^(1/2) w||. The weight of a column of zeros is 0.
    """
    norms = column_norms(X)
    # In v = N^(1/2) w the penalty is drop I, so the scale of a column does not matter.
    scale = np.where(norms > 0, norms, 1.0)
    unit = _filtered(X / scale, y, keep, drop)
    solution: Floats = (unit.T / scale).T
    solution[norms == 0] = 0.0
    return solution


def _filtered(X: Floats, y: Floats, keep: float, drop: float) -> Floats:
    left, values, right = np.linalg.svd(X, full_matrices=False)
    # Singular values below the rounding of the decomposition count as zero, as in a pseudo-inverse.
    real = values > values[0] * max(X.shape) * np.finfo(np.float64).eps
    factors = 1 / (keep * values[real] + drop / values[real])
    solution: Floats = right[real].T @ (factors * (left.T[real] @ y).T).T
    return solution
