"""Moments of the weight gradient: exact, by enumerating two-valued pixels; no normal law."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.errors import InputError
from hpml_lab.theory.convolution import (
    weight_gradient_covariance,
    weight_gradient_deviation,
    weight_gradient_mean,
    weight_gradient_terms,
    weight_gradient_variance,
)
from support.laws import agree, must_reject, planted


@dataclass(frozen=True)
class Coin:
    """A lopsided coin with mean 0: ``up`` with chance down/(up+down), else -``down``."""

    up: int
    down: int

    @property
    def sigma(self):
        """The standard deviation, the root of up times down."""
        return float(np.sqrt(self.up * self.down))

    def tosses(self, count):
        """Returns every outcome of so many tosses and the weight of each, all whole numbers."""
        faces = np.array(list(product((self.up, -self.down), repeat=count)), np.int64)
        weights = np.where(faces > 0, self.down, self.up).prod(axis=1)
        return faces, weights


@dataclass(frozen=True)
class Gradient:
    """A convolution small enough to go through every image and every output gradient."""

    n: int
    k: int
    stride: int
    padding: int
    images: int
    x: Coin
    g: Coin

    @property
    def side(self):
        """The output's side."""
        return (self.n + 2 * self.padding - self.k) // self.stride + 1

    def outcomes(self):
        """Returns dw of one image for every outcome, (outcomes, k k), and the chances."""
        pixels, pixel_weights = self.x.tosses(self.n**2)
        grads, grad_weights = self.g.tosses(self.side**2)
        x = np.pad(
            pixels.reshape(-1, self.n, self.n), ((0, 0), (self.padding,) * 2, (self.padding,) * 2)
        )
        dy = grads.reshape(-1, self.side, self.side)
        reach = self.stride * (self.side - 1) + 1
        entries = [
            np.einsum(
                "xij,gij->xg", x[:, h : h + reach : self.stride, c : c + reach : self.stride], dy
            )
            for h, c in np.ndindex(self.k, self.k)
        ]
        chances = np.multiply.outer(pixel_weights, grad_weights).ravel()
        return np.stack(entries, axis=-1).reshape(-1, self.k**2), chances / chances.sum()

    def moments(self):
        """Returns mean and covariance of all weight gradients, all images added up."""
        dw, chances = self.outcomes()
        mean = chances @ dw
        return self.images * mean, self.images * ((dw.T * chances) @ dw - np.outer(mean, mean))


COINS = st.builds(Coin, st.integers(1, 3), st.integers(1, 3))
# (n, k, stride, padding): up to 13 tosses, so up to 8,192 outcomes.
PLAIN = [(2, 1, 1, 0), (2, 2, 1, 0), (3, 2, 1, 0), (3, 3, 1, 0)]
SIZES = [*PLAIN, (3, 1, 2, 0), (3, 2, 2, 0), (2, 2, 1, 1), (2, 3, 1, 1), (1, 3, 1, 1), (3, 3, 2, 1)]


@st.composite
def gradients(draw, sizes=tuple(SIZES), most_images=3):
    """Small convolutions of lopsided coins."""
    n, k, stride, padding = draw(st.sampled_from(sizes))
    images = draw(st.integers(1, most_images))
    return Gradient(n, k, stride, padding, images, draw(COINS), draw(COINS))


SIMPLE = gradients(tuple(PLAIN), most_images=1)


def variance_law(variance, case):
    """Every weight's enumerated variance is the closed form."""
    _, covariance = case.moments()
    got = variance(case.n, case.k, case.x.sigma, case.g.sigma)
    agree("weight gradient variance", np.full(case.k**2, got), np.diag(covariance))


def covariance_law(weight_gradient_covariance, case):
    """The enumerated covariance of all weights, with padding, stride and several images."""
    _, oracle = case.moments()
    got = weight_gradient_covariance(
        case.n,
        case.k,
        case.x.sigma,
        case.g.sigma,
        stride=case.stride,
        padding=case.padding,
        images=case.images,
    )
    agree("weight gradient covariance", got, oracle, 1.0)


@given(SIMPLE)
def test_the_variance_is_that_of_every_outcome(case):
    """(n - k + 1)^2 sigma_x^2 sigma_g^2 for two-valued, lopsided pixels: no normal law needed."""
    variance_law(weight_gradient_variance, case)


@given(gradients())
def test_different_weights_are_uncorrelated(case):
    """The enumerated covariance is diagonal, with one variance per pixel that a weight meets."""
    covariance_law(weight_gradient_covariance, case)


@given(gradients())
def test_the_mean_is_zero(case):
    """The enumerated mean of every weight gradient is 0."""
    mean, _ = case.moments()
    scale = case.x.sigma * case.g.sigma
    agree("weight gradient mean", weight_gradient_mean(case.k).ravel(), mean, scale)


@given(st.integers(1, 12), st.integers(1, 6), st.integers(1, 4), st.integers(0, 3))
def test_terms_are_counted_pixel_by_pixel(n, k, stride, padding):
    """A weight meets as many pixels as there are windows in which it lies on the image."""
    k = min(k, n + 2 * padding)
    starts = range(-padding, n + padding - k + 1, stride)
    oracle = [
        [sum(0 <= i + h < n and 0 <= j + c < n for i in starts for j in starts) for c in range(k)]
        for h in range(k)
    ]
    agree("pixels met", weight_gradient_terms(n, k, stride=stride, padding=padding), oracle)


@given(st.integers(1, 100), st.integers(1, 9), COINS, COINS)
def test_the_deviation_grows_linearly_in_n(extra, k, x, g):
    """Each pixel more on a side adds sigma_x sigma_g to the deviation: Theta(n)."""
    n = k - 1 + extra
    step = weight_gradient_deviation(n + 1, k, x.sigma, g.sigma) - weight_gradient_deviation(
        n, k, x.sigma, g.sigma
    )
    agree("growth in n", step, x.sigma * g.sigma, extra * x.sigma * g.sigma)


@given(SIMPLE)
def test_the_covariance_without_padding_holds_the_variance(case):
    """Without padding all entries of the diagonal are the one variance."""
    covariance = weight_gradient_covariance(case.n, case.k, case.x.sigma, case.g.sigma)
    variance = weight_gradient_variance(case.n, case.k, case.x.sigma, case.g.sigma)
    agree("one variance", np.diag(covariance), np.full(case.k**2, variance))


WRONG_VARIANCES = {
    "m, not m squared": lambda n, k, x, g: (n - k + 1) * (x * g) ** 2,
    "n squared": lambda n, k, x, g: n**2 * (x * g) ** 2,
    "n - k squared": lambda n, k, x, g: (n - k) ** 2 * (x * g) ** 2,
    "k squared": lambda n, k, x, g: k**2 * (x * g) ** 2,
    "deviations not squared": lambda n, k, x, g: (n - k + 1) ** 2 * x * g,
    "m to the fourth": lambda n, k, x, g: (n - k + 1) ** 4 * (x * g) ** 2,
}


def covariance_with(terms=None, beside=0.0, per_image=True):
    """A covariance with other counts, or not diagonal, for the wrong variants."""

    def covariance(n, k, x, g, *, stride, padding, images):
        right = weight_gradient_terms(n, k, stride=stride, padding=padding)
        counts = right if terms is None else terms(right)
        square = np.diag((x * g) ** 2 * counts.ravel()) * (images if per_image else 1)
        return square + beside * (x * g) ** 2 * (1 - np.eye(k**2))

    return covariance


WRONG_COVARIANCES = {
    "padding counted as pixels": covariance_with(lambda terms: 0 * terms + terms.max()),
    "weights correlated": covariance_with(beside=0.5),
    "images not added": covariance_with(per_image=False),
    "terms squared": covariance_with(lambda terms: terms**2),
}


@planted((variance_law, WRONG_VARIANCES, SIMPLE), (covariance_law, WRONG_COVARIANCES, gradients()))
def test_a_planted_fault_breaks_the_law(law, wrong, cases):
    """Another power, another side, or weights that are correlated differ from the enumeration."""
    must_reject(law, wrong, cases)


def test_the_lab_s_variance():
    """For n = 16, k = 3, sigmas 1.7 and 0.6 it is 203.9184, where m unsquared gives 14.57."""
    assert weight_gradient_variance(16, 3, 1.7, 0.6) == pytest.approx(203.9184, rel=1e-12)
    assert weight_gradient_deviation(16, 3, 1.7, 0.6) == pytest.approx(14.28, rel=1e-12)


def test_the_lab_s_terms_with_padding():
    """On a 4x4 image with padding 1 a 3x3 kernel's corner meets 9, an edge 12, the middle 16."""
    assert weight_gradient_terms(4, 3, padding=1).tolist() == [[9, 12, 9], [12, 16, 12], [9, 12, 9]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: weight_gradient_variance(3, 4, 1, 1),
            "kernel is 4; it must be at most 3, the ima",
        ),
        (lambda: weight_gradient_variance(-3, 1, 1, 1), "n is -3; it must be a whole number, 1 or"),
        (lambda: weight_gradient_variance(3, 0, 1, 1), "k is 0; it must be a whole number, 1 or"),
        (
            lambda: weight_gradient_variance(3, 1, -1, 1),
            "sigma_x is -1; it must be finite and 0 or",
        ),
        (
            lambda: weight_gradient_variance(3, 1, 1, np.nan),
            "sigma_g is nan; it must be finite and",
        ),
        (lambda: weight_gradient_mean(0), "k is 0; it must be a whole number, 1 or more"),
        (lambda: weight_gradient_terms(3, 3, stride=0), "stride is 0; it must be a whole number"),
        (lambda: weight_gradient_terms(3, 3, padding=-1), "padding is -1; it must be a whole numb"),
        (lambda: weight_gradient_covariance(3, 3, 1, 1, images=0), "images is 0; it must be a who"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    """Sizes that are none, negative deviations and NaN are refused."""
    with pytest.raises(InputError, match=message):
        call()
