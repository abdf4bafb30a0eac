"""How far SGD through inverted dropout wanders from its mean path: the covariance of the weights.

One step is affine in the weights, u -> S u with u = (w, 1), and S is independent of u. So

    E[u u^T] after it = E[S u u^T S^T] = E[S kron S] vec(u u^T),

exactly. Of a batch's mean S only the part that varies shrinks, by the number of its rows. Each
row's E[S kron S] is a sum over its masks, one by one.
"""

from itertools import product

import numpy as np

from hpml_lab.errors import InputError
from hpml_lab.theory.arrays import Array, Floats, floats, like, of_shape
from hpml_lab.theory.scalars import dropped, positive, whole
from hpml_lab.theory.trajectory import expected_weights

_ROUNDING = 1e-12  # of a difference of squares, with room
_MOST_COLUMNS = 8  # a row has 2^d masks, and the matrix to be powered (d + 1)^2 rows


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

    The setting is that of `trajectory.expected_weights`: SGD on the mean squared error behind
    inverted dropout, all rows of X in every step under fresh masks.

    Args:
        X: inputs, (n, d), with at most 8 columns.
        y: targets, (n,).
        drop: the probability that an input is dropped, PyTorch's p.
        lr: the learning rate.
        steps: how many steps.
        copies: how often a batch repeats the rows, each under masks of its own.
        start: the weights before the first step, (d,); zeros by default.

    Raises:
        InputError: for shapes that do not fit, values that are not finite, more columns, drop
            outside [0, 1), lr not above 0, or negative counts.
    """
    inputs = floats("X", X, {2})
    rows, columns = inputs.shape
    if columns > _MOST_COLUMNS:
        raise InputError(f"X has {columns} columns; at most {_MOST_COLUMNS} can be enumerated")
    targets = of_shape("y", y, (rows,))
    first = np.zeros(columns) if start is None else of_shape("start", start, (columns,))
    rate, repeated = positive("lr", lr), whole("copies", copies, 1)
    means, noise = zip(
        *(_moments(*row, dropped(drop), rate) for row in zip(inputs, targets, strict=True)),
        strict=True,
    )
    step = np.mean(means, axis=0)
    square = np.kron(step, step) + np.mean(noise, axis=0) / (rows * repeated)
    u = np.append(first, 1.0)
    count, size = whole("steps", steps), len(u)
    moment = (np.linalg.matrix_power(square, count) @ np.outer(u, u).ravel()).reshape(size, size)
    mean = np.linalg.matrix_power(step, count) @ u
    return like(X, (moment - np.outer(mean, mean))[:-1, :-1])


def _moments(row: Floats, target: float, drop: float, lr: float) -> tuple[Floats, Floats]:
    """Returns E[S] of a row's steps, and E[S kron S] less what E[S] alone would give."""
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
    """Returns how far the mean of an ensemble is from the expected weights, in standard errors.

    The error of the mean is that of theory, not of the sample: the sample's own is wrong by 1 in 4
    with ten seeds. The sign is that of mean less expectation.

    Args:
        weights: what each seed came to from zero, (seeds, d).
        X: inputs, (n, d), with at most 8 columns.
        y: targets, (n,).
        drop: the probability that an input is dropped, above 0.
        lr: the learning rate.
        steps: how many steps each took, 1 or more.
        copies: how often a batch repeats the rows.

    Returns:
        shape (d,).

    Raises:
        InputError: as `weights_covariance`, or where the weights have no spread.
    """
    expected = floats("expected", expected_weights(X, y, drop, lr, steps), {1})
    covariance = floats("covariance", weights_covariance(X, y, drop, lr, steps, copies), {2})
    ensemble = floats("weights", weights, {2})
    variances = np.diag(covariance)
    if variances.min() <= _ROUNDING * max(1.0, np.square(expected).max()):
        raise InputError(f"drop {drop} and {steps} steps leave no spread to compare with")
    return like(weights, (ensemble.mean(0) - expected) / np.sqrt(variances / len(ensemble)))
