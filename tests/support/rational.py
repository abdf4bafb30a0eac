"""Exact oracles in fractions: nothing here knows a closed form.

Masks are enumerated and linear systems are solved by elimination.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import product

import numpy as np

Matrix = np.ndarray  # of Fraction
HALF = Fraction(1, 2)


def exact(values) -> Matrix:
    """Returns floats as the fractions that they are."""
    array = np.asarray(values, np.float64)
    out = np.empty(array.shape, object)
    for index, value in np.ndenumerate(array):
        out[index] = Fraction(float(value))
    return out


def columns(y: Matrix) -> Matrix:
    """Returns (n,) or (n, m) as (n, m)."""
    return y.reshape(len(y), -1)


def masks(shape, keep: Fraction) -> Iterator[tuple[Matrix, Fraction]]:
    """Yields every mask of a shape with its probability."""
    size = int(np.prod(shape))
    for bits in product((0, 1), repeat=size):
        kept = sum(bits)
        yield (
            np.array(bits, object).reshape(shape),
            keep**kept * (1 - keep) ** (size - kept),
        )


def expected_loss(X: Matrix, y: Matrix, w: Matrix, keep: Fraction) -> Fraction:
    """Returns E ||y - (R o X) w||^2 over every mask of the whole matrix."""
    total = Fraction(0)
    for mask, chance in masks(X.shape, keep):
        residual = columns(y) - (mask * X) @ columns(w)
        total += chance * (residual**2).sum()
    return total


def moments(X: Matrix, y: Matrix, keep: Fraction, factor: Fraction) -> tuple[Matrix, Matrix]:
    """Returns E[x~^T x~] and E[x~^T y] summed over rows, with what is kept times a factor."""
    A, b = exact(np.zeros((X.shape[1],) * 2)), exact(np.zeros((X.shape[1], columns(y).shape[1])))
    for row, target in zip(X, columns(y), strict=True):
        for mask, chance in masks(row.shape, keep):
            dropped = factor * mask * row
            A = A + chance * np.multiply.outer(dropped, dropped)
            b = b + chance * np.multiply.outer(dropped, target)
    return A, b


def solve(A: Matrix, b: Matrix) -> Matrix:
    """Returns one solution of a consistent system, free unknowns 0, by elimination."""
    rows = np.hstack([A, b])
    size, pivots = A.shape[1], []
    for column in range(size):
        below = [r for r in range(len(pivots), len(rows)) if rows[r, column] != 0]
        if below:
            place = len(pivots)
            rows[[place, below[0]]] = rows[[below[0], place]]
            rows[place] = rows[place] / rows[place, column]
            for r in range(len(rows)):
                if r != place:
                    rows[r] = rows[r] - rows[r, column] * rows[place]
            pivots.append(column)
    assert not rows[len(pivots) :, size:].any(), "the system has no solution"
    solution = exact(np.zeros((size, b.shape[1])))
    for row, column in enumerate(pivots):
        solution[column] = rows[row, size:]
    return solution


def minimum_norm(A: Matrix, b: Matrix) -> Matrix:
    """Returns the shortest solution of A w = b for a symmetric A: the one in A's range."""
    return A @ solve(A @ A, b)


def weighted_minimum_norm(A: Matrix, b: Matrix) -> Matrix:
    """Returns the solution of A w = b with the smallest sum of A_jj w_j^2."""
    inverse = np.array([0 if a == 0 else 1 / a for a in np.diag(A)], object)[:, None]
    return inverse * (A @ solve(A @ (inverse * A), b))
