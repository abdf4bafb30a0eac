"""Shrunken variances (empirical Bayes, limma), and quantiles of Student's t.

The model is that of Smyth, Statistical Applications in Genetics and Molecular Biology 3 (2004).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, polygamma, stdtrit

_MOST_DOF = 1e6  # with more, Student's t is a normal
_LIKELIEST = 1 - 1e-9


def t_quantile(probability: float, dof: float) -> float:
    """Quantile of Student's t for a probability in [0.5, 1 - 1e-9]."""
    return float(t_quantiles(probability, dof))


def t_quantiles(probability: ArrayLike, dof: ArrayLike) -> NDArray[np.float64]:
    """Quantiles of Student's t.

    Args:
        probability: 0.5 or more, clipped to 1 - 1e-9; broadcast with dof.
        dof: degrees of freedom, clipped to [1, a million].
    """
    likely = np.minimum(probability, _LIKELIEST)
    return np.asarray(stdtrit(np.clip(dof, 1, _MOST_DOF), likely), np.float64)


Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_SMALLEST_SHARE = 1e-4  # of the median variance: a clock's resolution can make a variance zero
_SMALLEST = 1e-12  # of logs: a millionth
_NEWTON_STEPS = 20


@dataclass(frozen=True)
class ShrunkenVariance:
    """Variances of cases, shrunken towards the suite's; arrays (..., cases).

    Attributes:
        variance: Weighted mean of a case's own variance and the suite's.
        conservative: The same, but not below a case's own.
        dof: Degrees of freedom of both.
    """

    variance: Array
    conservative: Array
    dof: Array


def shrink(variance: Array, dof: Array) -> ShrunkenVariance:
    """Shrunken (moderated) variances: each drawn towards the variance of the suite.

    Args:
        variance: (..., cases), variance of each case's own observations.
        dof: its degrees of freedom; 0 for a case without any, which takes the suite's.
    """
    known = dof > 0
    own = np.where(known, variance, 0.0)
    floor = np.maximum(_SMALLEST, _SMALLEST_SHARE * _masked_median(own, known))
    floored = np.maximum(own, floor[..., None])
    fitted, prior_dof = _prior(floored, np.maximum(dof, 1.0), known)
    pooled = (own * dof).sum(-1) / np.maximum(dof.sum(-1), 1)
    usual = np.where(np.isinf(prior_dof), pooled, fitted)
    total = np.minimum(prior_dof[..., None] + dof, dof.sum(-1, keepdims=True))
    weight = np.where(np.isinf(prior_dof)[..., None], 1.0, _share(prior_dof[..., None], dof))
    mixed = weight * usual[..., None] + (1 - weight) * own
    return ShrunkenVariance(mixed, np.maximum(mixed, own), total)


def _share(prior_dof: Array, dof: Array) -> Array:
    finite = np.where(np.isinf(prior_dof), 1.0, prior_dof)
    return np.asarray(finite / np.maximum(finite + dof, 1e-300), np.float64)


def _prior(variance: Array, dof: Array, known: Flags) -> tuple[Array, Array]:
    """Prior variance s0^2 and prior degrees of freedom d0.

    d0 is infinite where the variances differ no more than by chance.
    """
    half = dof / 2
    logs = np.log(variance) - digamma(half) + np.log(half)
    count = np.maximum(known.sum(-1), 1)
    centre = np.where(known, logs, 0).sum(-1) / count
    squares = np.where(known, (logs - centre[..., None]) ** 2, 0).sum(-1)
    by_chance = np.where(known, polygamma(1, half), 0).sum(-1) / count
    excess = squares / np.maximum(count - 1, 1) - by_chance
    equal = excess <= 0
    prior_dof = 2 * _trigamma_inverse(np.where(equal, 1.0, excess))
    shift = np.where(equal, 0.0, digamma(prior_dof / 2) - np.log(prior_dof / 2))
    return np.exp(centre + shift), np.where(equal, np.inf, prior_dof)


def _masked_median(values: Array, known: Flags) -> Array:
    """Low median of the known values; 0 without any."""
    ordered = np.sort(np.where(known, values, np.inf), -1)
    index = np.maximum(known.sum(-1) - 1, 0) // 2
    median = np.take_along_axis(ordered, index[..., None], -1)[..., 0]
    return np.where(np.isinf(median), 0.0, median)


def _trigamma_inverse(value: Array) -> Array:
    """The x with trigamma(x) = value > 0, by Newton's steps on 1 / trigamma (Smyth 2004)."""
    x = 0.5 + 1 / value
    for _ in range(_NEWTON_STEPS):
        now = polygamma(1, x)
        x = np.maximum(x + now * (1 - now / value) / polygamma(2, x), 1e-8)
    return x
