"""Variances of few observations, made sounder by those of the rest of the suite.

Three processes say little about how far processes of their case lie apart; fifty cases together say
how far processes of a case usually do. Variances of cases are taken to follow a scaled inverse
chi-squared distribution with s0^2 and d0 degrees of freedom, so that an observed variance over its
s0^2 is F-distributed; both are fitted to the logs of the observed ones by their moments (Smyth,
Stat. Appl. Genet. Mol. Biol. 3, 2004, section 6.2). Where those differ no more than by chance, d0
is infinite and s0^2 their mean. A case's variance then is the mean of its own
and of s0^2, each by its degrees of freedom.

Where it matters, no variance is moderated downwards: a case with a slow process among its own is of
another kind than the suite's, and keeps what it showed (the concern of Phipson et al., Ann. Appl.
Stat. 10, 2016).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_SMALLEST_SHARE = 1e-4  # of the median variance: a clock's resolution can make one zero
_SMALLEST = 1e-12  # of logs: a millionth
_NEWTON_STEPS = 20


@dataclass(frozen=True)
class Moderated:
    """Arrays (..., cases).

    Attributes:
        variance: the mean of a case's own and the suite's.
        careful: the same, but not below a case's own.
        dof: their degrees of freedom.
    """

    variance: Array
    careful: Array
    dof: Array


def moderated(variance: Array, dof: Array) -> Moderated:
    """Returns variances moderated by one another.

    Args:
        variance: (..., cases), of each case's own observations.
        dof: their degrees of freedom; 0 for a case that has none and takes the suite's.
    """
    known = dof > 0
    own = np.where(known, variance, 0.0)
    floor = np.maximum(_SMALLEST, _SMALLEST_SHARE * _masked_median(own, known))
    floored = np.maximum(own, floor[..., None])
    fitted, prior = _prior(floored, np.maximum(dof, 1.0), known)
    pooled = (own * dof).sum(-1) / np.maximum(dof.sum(-1), 1)
    usual = np.where(np.isinf(prior), pooled, fitted)
    total = np.minimum(prior[..., None] + dof, dof.sum(-1, keepdims=True))
    weight = np.where(np.isinf(prior)[..., None], 1.0, _share(prior[..., None], dof))
    mixed = weight * usual[..., None] + (1 - weight) * own
    return Moderated(mixed, np.maximum(mixed, own), total)


def _share(prior: Array, dof: Array) -> Array:
    finite = np.where(np.isinf(prior), 1.0, prior)
    return np.asarray(finite / np.maximum(finite + dof, 1e-300), np.float64)


def _prior(variance: Array, dof: Array, known: Flags) -> tuple[Array, Array]:
    """Returns s0^2 and d0, infinite where the variances differ no more than by chance."""
    half = dof / 2
    logs = np.log(variance) - digamma(half) + np.log(half)
    count = np.maximum(known.sum(-1), 1)
    centre = np.where(known, logs, 0).sum(-1) / count
    squares = np.where(known, (logs - centre[..., None]) ** 2, 0).sum(-1)
    by_chance = np.where(known, polygamma(1, half), 0).sum(-1) / count
    excess = squares / np.maximum(count - 1, 1) - by_chance
    alike = excess <= 0
    prior = 2 * _trigamma_inverse(np.where(alike, 1.0, excess))
    shift = np.where(alike, 0.0, digamma(prior / 2) - np.log(prior / 2))
    return np.exp(centre + shift), np.where(alike, np.inf, prior)


def _masked_median(values: Array, known: Flags) -> Array:
    """Returns the lower median of the known values; 0 where there are none."""
    ordered = np.sort(np.where(known, values, np.inf), -1)
    index = np.maximum(known.sum(-1) - 1, 0) // 2
    median = np.take_along_axis(ordered, index[..., None], -1)[..., 0]
    return np.where(np.isinf(median), 0.0, median)


def _trigamma_inverse(value: Array) -> Array:
    """Returns x with trigamma(x) = value > 0, by Newton's steps on 1 / trigamma (Smyth 2004)."""
    x = 0.5 + 1 / value
    for _ in range(_NEWTON_STEPS):
        now = polygamma(1, x)
        x = np.maximum(x + now * (1 - now / value) / polygamma(2, x), 1e-8)
    return x
