"""Student's t distribution, for any number of degrees of freedom."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_HALVINGS = 60
_MOST_FREEDOM = 1e4
_LIKELIEST = 1 - 1e-9


def t_probability(t: float, freedom: float) -> float:
    """Returns P(T <= t).

    With t = sqrt(freedom) tan(a) the density becomes a power of a cosine, which a quadrature takes
    to 12 digits; the gamma functions leave 8 of them at a million degrees.

    Args:
        t: the value.
        freedom: degrees of freedom, 1 or more; need not be whole.
    """
    scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(math.pi) / 2
    half = math.atan(t / math.sqrt(freedom)) / 2
    area = half * np.dot(_WEIGHTS, np.cos(half * (_NODES + 1)) ** (freedom - 1))
    return 0.5 + math.exp(scale) * float(area)


@lru_cache(maxsize=1024)
def t_quantile(probability: float, freedom: float) -> float:
    """Returns the t for which P(T <= t) is a probability in [0.5, 1 - 1e-9]."""
    low, high = 0.0, 1.0
    while t_probability(high, freedom) < probability:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if t_probability(middle, freedom) < probability else (low, middle)
        )
    return high


def t_quantiles(probability: ArrayLike, freedom: ArrayLike) -> NDArray[np.float64]:
    """Returns `t_quantile` of each pair; degrees are rounded down to two digits.

    Args:
        probability: 0.5 or more; at most 1 - 1e-9 are taken. Broadcast with freedom.
        freedom: degrees of freedom; at least 1 are taken, and at most 10,000.
    """
    likely = np.minimum(probability, _LIKELIEST)
    clipped = np.clip(freedom, 1, _MOST_FREEDOM)
    digits = 10.0 ** (np.floor(np.log10(clipped)) - 1)
    rounded = np.floor(clipped / digits) * digits
    return np.asarray(np.vectorize(t_quantile, otypes=[float])(likely, rounded))
