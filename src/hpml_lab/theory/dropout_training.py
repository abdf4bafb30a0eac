"""Mean and covariance of SGD weights with inverted dropout in linear regression.

A mask is independent of the current weights, and the gradient of a squared error is linear in
them. So the mean of the weights, over all masks, obeys exactly

    w[t+1] = w[t] - lr (H w[t] - g),  H = 2 E[x~ x~^T] and g = 2 E[x~ y] averaged over n and m,

where x~ are the inputs after dropout and rescaling. Source: Bottou, Curtis and Nocedal 2018,
section 4, for SGD with an unbiased gradient; the moments are those of `theory.dropout`.
"""

from itertools import product
from typing import Any

import numpy as np

from hpml_lab.errors import InputError
from hpml_lab.theory.arrays import Array, Floats, floats, like, of_shape
from hpml_lab.theory.least_squares import column_norms, problem, weights_shape
from hpml_lab.theory.validation import check_drop, check_int, check_positive


def expected_hessian(X: Array, drop: float, outputs: int = 1) -> Array:
    """Returns the Hessian of the mean squared error, expected over masks, shape (d, d).

    Args:
        X: Inputs, (n, d).
        drop: Probability that an input is dropped, PyTorch's p.
        outputs: Number m of outputs per row; PyTorch's loss is the mean over n m errors.

    Raises:
        InputError: for X not (n, d) or not finite, drop outside [0, 1), outputs below 1.
    """
    inputs, outputs = floats("X", X, {2}), check_int("outputs", outputs, 1)
    return like(X, _hessian(inputs, check_drop(drop), outputs))


def largest_learning_rate(X: Array, drop: float, outputs: int = 1) -> float:
    """Returns 2 / (largest eigenvalue), the learning rate from which the mean weights diverge.

    Raises:
        InputError: as `expected_hessian`, and for an X of zeros.
    """
    top = np.linalg.eigvalsh(floats("Hessian", expected_hessian(X, drop, outputs), {2}))[-1]
    if top <= 0:
        raise InputError("X holds only zeros; give at least one other value")
    return float(2 / top)


def expected_weights(
    X: Array,
    y: Array,
    drop: float,
    lr: float,
    steps: int,
    start: Array | None = None,
) -> Array:
    """Returns the mean weights after SGD on the mean squared error with inverted dropout.

    Every step uses all rows of X with a fresh mask; a batch that repeats the rows has the same
    mean. No momentum, no bias (append a column for a bias that is dropped as well).

    Args:
        X: Inputs, (n, d).
        y: Targets, (n,) or (n, m).
        drop: Probability that an input is dropped, PyTorch's p.
        lr: Learning rate.
        steps: Number of steps.
        start: Weights before the first step, (d,) or (d, m); zeros by default.

    Returns:
        Mean weights, (d,) or (d, m), of X's array type.

    Raises:
        InputError: for incompatible shapes, values that are not finite, drop outside [0, 1),
            lr not above 0, negative steps, or a run so divergent that the weights overflow.
    """
    inputs, targets = problem(X, y)
    shape = weights_shape(inputs, targets)
    first = np.zeros(shape) if start is None else of_shape("start", start, shape)
    hessian = _hessian(inputs, check_drop(drop), targets.size // len(targets))
    pull = 2 * inputs.T @ targets / targets.size
    change = _steps(hessian, pull.reshape(len(hessian), -1), check_positive("lr", lr), steps)
    weights = change @ np.vstack([first.reshape(len(hessian), -1), np.eye(pull[0].size)])
    if not np.isfinite(weights).all():
        raise InputError(f"lr is {lr!r}; the weights overflow, choose a smaller one")
    return like(X, weights.reshape(shape))


def _hessian(inputs: Floats, drop: float, outputs: int) -> Floats:
    penalty = np.diag(drop / (1 - drop) * column_norms(inputs) ** 2)
    hessian: Floats = 2 * (inputs.T @ inputs + penalty) / (len(inputs) * outputs)
    return hessian


def _steps(hessian: Floats, pull: Floats, lr: float, steps: int) -> Floats:
    """Returns the matrix (d, d + m) that maps initial weights, above the identity, to the last."""
    size, outputs = pull.shape
    # One step is affine; in homogeneous coordinates it is a matrix, and many steps are its power.
    step: np.ndarray[Any, Any] = np.eye(size + outputs)
    step[:size, :size] -= lr * hessian
    step[:size, size:] = lr * pull
    with np.errstate(over="ignore", invalid="ignore"):
        power: Floats = np.linalg.matrix_power(step, check_int("steps", steps))
    return power[:size]


_ROUNDING = 1e-12  # upper bound for the rounding error of a difference of squares
_MOST_COLUMNS = 8  # a row has 2^d masks, and the matrix to raise to a power (d + 1)^2 rows


def weights_covariance(
    X: Array,
    y: Array,
    drop: float,
    lr: float,
    steps: int,
    copies: int = 1,
    start: Array | None = None,
) -> Array:
    """Returns the covariance of the weights over all masks, shape (d, d).

    The setting is that of `expected_weights`: SGD on the mean squared error with
    inverted dropout, all rows of X in every step with fresh masks.

    Args:
        X: Inputs, (n, d), with at most 8 columns.
        y: Targets, (n,).
        drop: Probability that an input is dropped, PyTorch's p.
        lr: Learning rate.
        steps: Number of steps.
        copies: Number of times that a batch repeats the rows, each with independent masks.
        start: Weights before the first step, (d,); zeros by default.

    Raises:
        InputError: for incompatible shapes, values that are not finite, more than 8 columns, drop
            outside [0, 1), lr not above 0, or negative counts.
    """
    inputs = floats("X", X, {2})
    rows, columns = inputs.shape
    if columns > _MOST_COLUMNS:
        raise InputError(f"X has {columns} columns; at most {_MOST_COLUMNS} can be enumerated")
    targets = of_shape("y", y, (rows,))
    first = np.zeros(columns) if start is None else of_shape("start", start, (columns,))
    rate, repeated = check_positive("lr", lr), check_int("copies", copies, 1)
    means, noise = zip(
        *(_moments(*row, check_drop(drop), rate) for row in zip(inputs, targets, strict=True)),
        strict=True,
    )
    step = np.mean(means, axis=0)
    square = np.kron(step, step) + np.mean(noise, axis=0) / (rows * repeated)
    u = np.append(first, 1.0)
    count, size = check_int("steps", steps), len(u)
    moment = (np.linalg.matrix_power(square, count) @ np.outer(u, u).ravel()).reshape(size, size)
    mean = np.linalg.matrix_power(step, count) @ u
    return like(X, (moment - np.outer(mean, mean))[:-1, :-1])


def _moments(row: Floats, target: float, drop: float, lr: float) -> tuple[Floats, Floats]:
    """Returns E[S] of a row's step matrix S, and E[S kron S] - E[S] kron E[S]."""
    size = len(row) + 1
    mean, square = np.zeros((size, size)), np.zeros((size**2, size**2))
    for mask in product((0, 1), repeat=len(row)):
        chance = np.prod([1 - drop if kept else drop for kept in mask])
        kept = row * mask / (1 - drop)
        step: Floats = np.eye(size)
        step[:-1] -= 2 * lr * np.outer(kept, [*kept, -target])
        mean += chance * step
        square += chance * np.kron(step, step)
    return mean, square - np.kron(mean, mean)


def standard_errors(
    weights: Array,
    X: Array,
    y: Array,
    drop: float,
    lr: float,
    steps: int,
    copies: int = 1,
) -> Array:
    """Returns the deviation of an ensemble's mean from the expected weights in standard errors.

    The standard error is the theoretical one; with ten seeds the sample's own is off by about a
    quarter. The sign is that of mean minus expectation.

    Args:
        weights: Final weights of each seed, trained from zero, (seeds, d).
        X: Inputs, (n, d), with at most 8 columns.
        y: Targets, (n,).
        drop: Probability that an input is dropped, above 0.
        lr: Learning rate.
        steps: Number of steps per seed, 1 or more.
        copies: Number of times that a batch repeats the rows.

    Returns:
        Shape (d,).

    Raises:
        InputError: as `weights_covariance`, or if the weights have no variance.
    """
    expected = floats("expected", expected_weights(X, y, drop, lr, steps), {1})
    covariance = floats("covariance", weights_covariance(X, y, drop, lr, steps, copies), {2})
    ensemble = floats("weights", weights, {2})
    variances = np.diag(covariance)
    if variances.min() <= _ROUNDING * max(1.0, np.square(expected).max()):
        raise InputError(f"drop {drop} and {steps} steps leave no spread to compare with")
    return like(weights, (ensemble.mean(0) - expected) / np.sqrt(variances / len(ensemble)))
