"""Gradients of a convolution: the write-up's formulas against autograd and exact moments.

Indices count from 1, as in the exercise: y_ij = sum_hl x_(i+h-1),(j+l-1) w_hl.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from hpml_lab.claims.checking import Finding, decides, equal, show
from hpml_lab.theory.convolution import weight_gradient, weight_gradient_variance

Floats = npt.NDArray[np.float64]
Index = Callable[[int, int], int]

_SIDE, _KERNEL, _LR = 4, 2, 0.1
_OUT = _SIDE - _KERNEL + 1
_RNG = np.random.default_rng(0)
_X = _RNG.integers(-9, 10, (_SIDE, _SIDE)).astype(np.float64)
_DY = _RNG.integers(-9, 10, (_OUT, _OUT)).astype(np.float64)
_W = _RNG.integers(-9, 10, (_KERNEL, _KERNEL)).astype(np.float64)

# Pairs of value and probability: two unequal values, mean 0 and far from normal.
_PIXELS = ((-1.0, 2 / 3), (2.0, 1 / 3))
_GRADIENTS = ((-0.5, 0.8), (2.0, 0.2))
_VARIANCES = (2.0, 1.0)


def convolve(weights: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Returns the output (m, m) of the layer for the image of this module."""
    image = torch.from_numpy(_X)[None, None]
    return functional.conv2d(image, weights[None, None], bias)[0, 0]


def pixel_of_derivative(index: Index) -> Finding:
    """Decides whether dy_bc/dw_ij is the pixel in row index(b, i) and column index(c, j)."""
    stated = np.zeros((_OUT, _OUT, _KERNEL, _KERNEL))
    for b, c, i, j in np.ndindex(*stated.shape):
        row, column = index(b + 1, i + 1), index(c + 1, j + 1)
        if 1 <= row <= _SIDE and 1 <= column <= _SIDE:
            stated[b, c, i, j] = _X[row - 1, column - 1]
    right = torch.autograd.functional.jacobian(convolve, torch.from_numpy(_W))
    return equal(stated, right.numpy(), "autograd")


@decides("001-3a-index")
def _flipped_index() -> Finding:
    return pixel_of_derivative(lambda b, i: b - i + 1)


@decides("001-3a-sum")
def _products_without_a_sum() -> Finding:
    stated = _DY * _X[:_OUT, :_OUT]
    right = _autograd()[0, 0]
    evidence = f"stated for w_11 {stated.shape[0]} x {stated.shape[1]} products"
    evidence += f"; autograd one number, {right:g}, their sum {stated.sum():g}"
    return Finding(stated.shape == right.shape and bool(np.all(stated == right)), evidence)


@decides("001-3a-sgd")
def _plain_step() -> Finding:
    weights = torch.from_numpy(_W.copy()).requires_grad_()
    convolve(weights).backward(torch.from_numpy(_DY))
    torch.optim.SGD([weights], lr=_LR).step()
    stated = _W - _LR * weight_gradient(_X, _DY)
    return equal(stated, weights.detach().numpy(), "torch.optim.SGD")


@decides("001-3a-bias")
def _bias_without_gradient() -> Finding:
    bias = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    (right,) = torch.autograd.grad(
        convolve(torch.from_numpy(_W), bias), bias, torch.from_numpy(_DY)
    )
    result = equal([0.0], right.numpy(), "autograd at b = 0")
    return Finding(result.holds, f"{result.evidence}, the sum of dY {_DY.sum():g}")


@decides("001-3b-mean")
def _mean_is_zero() -> Finding:
    mean, _ = gradient_moments(3, 2)
    return equal(np.zeros(4), mean, "over all 8192 images and gradients of two values a pixel")


def variance(formula: Callable[[int], float]) -> Finding:
    """Decides whether the variance of a weight's gradient is a formula of m = n - k + 1.

    The formula is multiplied by the variances of pixels and output gradients.
    """
    stated, right = [], []
    for n, k in ((2, 2), (2, 1), (3, 2), (3, 1)):
        scale = float(np.prod(_VARIANCES))
        stated.append(formula(n - k + 1) * scale)
        right.append(gradient_moments(n, k)[1][0, 0])
    return equal(stated, right, "over all images of two values a pixel, m = 1, 2, 2, 3:")


@decides("001-3b-var")
def _variance_linear_in_m() -> Finding:
    result = variance(lambda m: m)
    covariance = gradient_moments(3, 2)[1]
    off_diagonal = np.abs(covariance - np.diag(np.diag(covariance))).max()
    theory = weight_gradient_variance(3, 2, *np.sqrt(_VARIANCES))
    evidence = f"{result.evidence}; (n-k+1)^2 for n = 3, k = 2 gives {theory:.6g}"
    return Finding(result.holds, f"{evidence}; covariance of different weights {off_diagonal:.1g}")


@decides("001-3b-rate")
def _grows_like_the_root() -> Finding:
    sides = np.array([1, 2, 3])
    deviations = [np.sqrt(gradient_moments(n, 1)[1][0, 0]) for n in (1, 2, 3)]
    slope = np.polyfit(np.log(sides), np.log(deviations), 1)[0]
    result = equal([0.5], [slope], "slope of log deviation against log(n-k+1)")
    return Finding(result.holds, f"{result.evidence}; deviations {show(deviations)}")


@cache
def gradient_moments(n: int, k: int) -> tuple[Floats, Floats]:
    """Returns mean (k k,) and covariance (k k, k k) of dw, over all images and output gradients."""
    m = n - k + 1
    bits = np.indices((2,) * (n * n + m * m), dtype=np.int8).reshape(n * n + m * m, -1)
    pixels, gradients = np.array(_PIXELS), np.array(_GRADIENTS)
    x, dy = pixels[bits[: n * n], 0], gradients[bits[n * n :], 0]
    shares = pixels[bits[: n * n], 1].prod(axis=0) * gradients[bits[n * n :], 1].prod(axis=0)
    x, dy = x.reshape(n, n, -1), dy.reshape(m, m, -1)
    dw = np.array([(dy * x[h : h + m, j : j + m]).sum((0, 1)) for h, j in np.ndindex(k, k)])
    mean = dw @ shares
    return mean, (dw * shares) @ dw.T - np.outer(mean, mean)


def _autograd() -> Floats:
    weights = torch.from_numpy(_W).requires_grad_()
    (gradient,) = torch.autograd.grad(convolve(weights), weights, torch.from_numpy(_DY))
    return np.asarray(gradient.numpy(), np.float64)
