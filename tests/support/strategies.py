"""The inputs that laws are tried on: named, small, and with every awkward case in them.

All numbers are exact in float32, so that an oracle in fractions sees the very values that the
closed form sees. Half of the arrays hold multiples of 1/4, with zeros and ties all the time; the
others hold rounded sevenths, which fill the digits of float64 once they are multiplied.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

WHOLE = st.integers(-4, 4).map(float)
QUARTERS = st.integers(-16, 16).map(lambda k: k / 4)
TIES = st.integers(-2, 2).map(float)
SEVENTHS = st.integers(-28, 28).map(lambda k: float(np.float32(k / 7)))
PARTS = st.sampled_from([k / 16 for k in range(1, 16)] + [k / 7 for k in range(1, 7)])
PARTIAL = PARTS.map(Fraction)  # (0, 1)
KEEPS = st.one_of(PARTIAL, st.just(Fraction(1)))  # (0, 1]
STRENGTHS = st.integers(1, 12).map(lambda k: Fraction(k, 4))


def grids(shape, numbers=QUARTERS):
    """Arrays of a shape, either of the numbers given or of sevenths."""
    return st.one_of(exact_grids(shape, numbers), exact_grids(shape, SEVENTHS))


def exact_grids(shape, numbers):
    """Arrays of a shape that hold nothing but the numbers given."""
    return hnp.arrays(np.float64, shape, elements=numbers)


@st.composite
def presented(draw, values):
    """The same values as NumPy or torch, float32 or float64, C or F order, or with gaps."""
    array = np.array(values, draw(st.sampled_from([np.float64, np.float32])))
    layout = draw(st.sampled_from(["C", "F", "gaps"]))
    if layout == "gaps" and array.ndim:
        array = np.repeat(array, 2, axis=-1)[..., ::2]
    else:
        array = np.array(array, order="F" if layout == "F" else "C")
    return torch.from_numpy(array) if draw(st.booleans()) else array


@st.composite
def designs(draw, rows=5, width=4, size=20):
    """X (n, d): any rank, one row, one column, columns of zeros, columns or rows repeated."""
    n = draw(st.integers(1, rows))
    d = draw(st.integers(1, min(width, size // n)))
    kind = draw(st.sampled_from(["free", "low rank", "zero column", "equal columns"]))
    if kind == "low rank":
        rank = draw(st.integers(1, max(1, min(n, d) - 1)))
        return draw(exact_grids((n, rank), TIES)) @ draw(exact_grids((rank, d), TIES))
    X = draw(grids((n, d), WHOLE))
    column = draw(st.integers(0, d - 1))
    if kind != "free":
        X[:, column] = 0 if kind == "zero column" else X[:, 0]
    return X


@dataclass(frozen=True)
class Regression:
    """A design, its targets, weights to try, a keep probability, and the exact values of each."""

    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    keep: Fraction
    shown: tuple

    @property
    def scale(self):
        """The size of the terms that may cancel in X^T y, over that of X^T X."""
        return float(np.abs(self.y).max() / (np.abs(self.X).max() or 1.0))


@st.composite
def regressions(draw, keeps=KEEPS, rows=5, width=4, size=20, whole_columns=False):
    """Problems with one target (n,) or several (n, m)."""
    X = draw(designs(rows, width, size))
    if whole_columns:
        X[0] += np.where(np.abs(X).max(axis=0) == 0, 1.0, 0.0)
    outputs = draw(st.sampled_from([(), (1,), (2,)]))
    y, w = draw(grids((len(X), *outputs))), draw(grids((X.shape[1], *outputs)))
    shown = tuple(draw(presented(values)) for values in (X, y, w))
    return Regression(X, y, w, draw(keeps), shown)


@st.composite
def invertible(draw, size):
    """A matrix (d, d) with an inverse, not symmetric in general: unit triangles and a diagonal."""
    lower = np.tril(draw(exact_grids((size, size), TIES)), -1) + np.eye(size)
    upper = np.triu(draw(exact_grids((size, size), TIES)), 1) + np.eye(size)
    scale = draw(
        st.lists(st.sampled_from([-2.0, -1.0, 0.5, 1.0, 4.0]), min_size=size, max_size=size)
    )
    return lower * scale @ upper


@dataclass(frozen=True)
class Layer:
    """A convolution's or pooling's input, output gradient, kernel, stride and padding."""

    x: np.ndarray
    dy: np.ndarray
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    shown: tuple

    @property
    def scale(self):
        """The size of the largest term of the sums that a gradient is made of."""
        return float(np.abs(self.x).max() * np.abs(self.dy).max())


def pairs(least, most):
    """Two whole numbers, vertical and horizontal."""
    return st.tuples(st.integers(least, most), st.integers(least, most))


def _outputs(sides, kernel, stride, padding):
    return tuple(
        (n + 2 * p - k) // s + 1 for n, k, s, p in zip(sides, kernel, stride, padding, strict=True)
    )


@st.composite
def convolutions(draw, dimensions=(2, 3, 4), strided=True):
    """Images with one or several channels and a fitting dy."""
    padding = draw(pairs(0, 2)) if strided else (0, 0)
    stride = draw(pairs(1, 3)) if strided else (1, 1)
    kernel = draw(pairs(1, 3))
    sides = tuple(
        draw(st.integers(max(1, k - 2 * p), 6)) for k, p in zip(kernel, padding, strict=True)
    )
    outputs = _outputs(sides, kernel, stride, padding)
    rank, channels = draw(st.sampled_from(dimensions)), draw(pairs(1, 3))
    images = (draw(st.integers(1, 3)),) if rank == 4 else ()
    x = draw(grids((*images, *channels[: min(1, rank - 2)], *sides)))
    dy = draw(grids((*images, *channels[1 : min(2, rank - 1)], *outputs)))
    shown = draw(presented(x)), draw(presented(dy))
    return Layer(x, dy, kernel, stride, padding, shown)


@st.composite
def poolings(draw, overlapping=True):
    """Images with many ties and a fitting dy; windows apart, touching or overlapping."""
    kernel = draw(pairs(1, 4))
    stride = draw(pairs(1, 4)) if overlapping else kernel
    sides = tuple(draw(st.integers(k, 7)) for k in kernel)
    leading = draw(st.sampled_from([(), (2,), (2, 1)]))
    x = draw(grids((*leading, *sides), TIES))
    dy = draw(grids((*leading, *_outputs(sides, kernel, stride, (0, 0)))))
    return Layer(x, dy, kernel, stride, (0, 0), (draw(presented(x)), draw(presented(dy))))


# From 5 elements on, so that an allocation of a parameter's size is never taken for a scalar.
SIZES = st.one_of(st.just(0), st.integers(5, 60), st.integers(1000, 3000))


@st.composite
def shapes(draw):
    """A shape with one of `SIZES` as its element count."""
    size = draw(SIZES)
    return draw(st.sampled_from([(size,), (1, size), (size, 1, 1)]))


PARAMETERS = st.lists(shapes(), min_size=1, max_size=6)
