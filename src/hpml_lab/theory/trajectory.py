"""The mean path of stochastic gradient descent through inverted dropout.

A mask is independent of the weights it meets, and the gradient of a squared error is linear in
them. So the mean of the weights, over all masks, obeys exactly

    w[t+1] = w[t] - lr (H w[t] - g),  H = 2 E[x~ x~^T] and g = 2 E[x~ y] averaged over n and m,

where x~ are the inputs as dropped and rescaled. Source: Bottou, Curtis and Nocedal 2018,
section 4, for SGD with an unbiased gradient; the moments are those of `theory.dropout`.
"""

from typing import Any

import numpy as np

from hpml_lab.errors import InputError
from hpml_lab.theory.arrays import Array, Floats, floats, like, of_shape
from hpml_lab.theory.least_squares import column_norms, problem, weights_shape
from hpml_lab.theory.scalars import dropped, positive, whole


def expected_hessian(X: Array, drop: float, outputs: int = 1) -> Array:
    """Returns the Hessian of the mean squared error, expected over masks, shape (d, d).

    Args:
        X: inputs, (n, d).
        drop: the probability that an input is dropped, PyTorch's p.
        outputs: m, the outputs per row; PyTorch's loss is the mean over n m errors.

    Raises:
        InputError: for X not (n, d) or not finite, drop outside [0, 1), outputs below 1.
    """
    inputs, outputs = floats("X", X, {2}), whole("outputs", outputs, 1)
    return like(X, _hessian(inputs, dropped(drop), outputs))


def largest_learning_rate(X: Array, drop: float, outputs: int = 1) -> float:
    """Returns 2 over the largest eigenvalue: from there on the mean weights do not converge.

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
    """Returns the mean weights after SGD on the mean squared error behind inverted dropout.

    Every step sees all rows of X under a fresh mask; a batch that repeats the rows has the same
    mean. No momentum, no bias (append a column for one that is dropped as well).

    Args:
        X: inputs, (n, d).
        y: targets, (n,) or (n, m).
        drop: the probability that an input is dropped, PyTorch's p.
        lr: the learning rate.
        steps: how many steps.
        start: the weights before the first step, (d,) or (d, m); zeros by default.

    Returns:
        the weights, (d,) or (d, m), of X's kind.

    Raises:
        InputError: for shapes that do not fit, values that are not finite, drop outside [0, 1),
            lr not above 0, negative steps, or a run so divergent that the weights overflow.
    """
    inputs, targets = problem(X, y)
    shape = weights_shape(inputs, targets)
    first = np.zeros(shape) if start is None else of_shape("start", start, shape)
    hessian = _hessian(inputs, dropped(drop), targets.size // len(targets))
    pull = 2 * inputs.T @ targets / targets.size
    change = _steps(hessian, pull.reshape(len(hessian), -1), positive("lr", lr), steps)
    weights = change @ np.vstack([first.reshape(len(hessian), -1), np.eye(pull[0].size)])
    if not np.isfinite(weights).all():
        raise InputError(f"lr is {lr!r}; the weights overflow, choose a smaller one")
    return like(X, weights.reshape(shape))


def _hessian(inputs: Floats, drop: float, outputs: int) -> Floats:
    spread = np.diag(drop / (1 - drop) * column_norms(inputs) ** 2)
    hessian: Floats = 2 * (inputs.T @ inputs + spread) / (len(inputs) * outputs)
    return hessian


def _steps(hessian: Floats, pull: Floats, lr: float, steps: int) -> Floats:
    """Returns rows (d, d + m) that map the first weights, with the identity below, to the last."""
    size, outputs = pull.shape
    # One step is affine; with a row of ones below it is one matrix, and many steps its power.
    step: np.ndarray[Any, Any] = np.eye(size + outputs)
    step[:size, :size] -= lr * hessian
    step[:size, size:] = lr * pull
    with np.errstate(over="ignore", invalid="ignore"):
        power: Floats = np.linalg.matrix_power(step, whole("steps", steps))
    return power[:size]
