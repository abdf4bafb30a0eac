"""Student's t distribution, for any number of degrees of freedom."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

_MOST_DOF = 1e6  # from there on it is a normal
_LIKELIEST = 1 - 1e-9


def t_quantile(probability: float, dof: float) -> float:
    """Returns the t for which P(T <= t) is a probability in [0.5, 1 - 1e-9]."""
    return float(t_quantiles(probability, dof))


def t_quantiles(probability: ArrayLike, dof: ArrayLike) -> NDArray[np.float64]:
    """Returns `t_quantile` of each pair.

    Args:
        probability: 0.5 or more; at most 1 - 1e-9 are taken. Broadcast with dof.
        dof: degrees of freedom; at least 1 are taken, and at most a million.
    """
    likely = np.minimum(probability, _LIKELIEST)
    return np.asarray(stdtrit(np.clip(dof, 1, _MOST_DOF), likely), np.float64)
