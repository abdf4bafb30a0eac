"""From a general quadratic penalty to ridge: the same problem in other coordinates.

Source: Hastie, Tibshirani and Friedman 2009, section 3.4.1 for ridge; the change of variables is
w' = G w / sqrt(lam), X' = sqrt(lam) X G^-1, which leaves X' w' = X w and
lam ||w'||^2 = ||G w||^2.
"""

import numpy as np

from hpml_lab.errors import InputError
from hpml_lab.theory.arrays import Array, Floats, Values, floats, like, of_shape
from hpml_lab.theory.least_squares import column_norms
from hpml_lab.theory.scalars import kept, positive


def ridge_design(X: Array, gamma: Array, lam: float) -> Array:
    """Returns X' = sqrt(lam) X gamma^-1, shape (n, d); the inverse stands on the right.

    Args:
        X: inputs, (n, d).
        gamma: the penalty's matrix, (d, d), invertible; `dropout.tikhonov_matrix` for dropout.
        lam: the ridge strength, above 0.

    Raises:
        InputError: for shapes that do not fit, values that are not finite, a gamma that cannot be
            inverted, or lam not above 0.
    """
    inputs = floats("X", X, {2})
    matrix = _invertible(gamma, inputs.shape[1])
    return like(X, np.sqrt(positive("lam", lam)) * np.linalg.solve(matrix.T, inputs.T).T)


def ridge_weights(w: Array, gamma: Array, lam: float) -> Array:
    """Returns w' = gamma w / sqrt(lam), the weights that belong to `ridge_design`.

    Args:
        w: weights of the penalised problem, (d,) or (d, m).
        gamma: the penalty's matrix, (d, d), invertible.
        lam: the ridge strength, above 0.

    Raises:
        InputError: as `ridge_design`.
    """
    weights = floats("w", w, {1, 2})
    matrix = _invertible(gamma, len(weights))
    return like(w, matrix @ weights / np.sqrt(positive("lam", lam)))


def ridge_column_norm(keep: float, lam: float) -> float:
    """Returns sqrt(lam keep / (1 - keep)), the norm of every column of dropout's ridge design.

    Raises:
        InputError: for keep outside (0, 1) or lam not above 0.
    """
    if kept(keep) == 1:
        raise InputError(f"keep is {keep!r}; without dropout there is no penalty to rescale by")
    return float(np.sqrt(positive("lam", lam) * keep / (1 - keep)))


def _invertible(gamma: Values, size: int) -> Floats:
    matrix = of_shape("gamma", gamma, (size, size))
    norms = column_norms(matrix)
    # Columns of unit length, or a diagonal of very unlike entries would pass for singular.
    if not norms.all() or np.linalg.matrix_rank(matrix / norms) < size:
        raise InputError("gamma cannot be inverted; every column of X needs a penalty of its own")
    return matrix
