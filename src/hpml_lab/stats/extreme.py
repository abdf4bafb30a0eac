"""Outliers in a small sample of machines: the generalized extreme Studentized deviate test.

B. Rosner: Percentage points for a generalized ESD many-outlier procedure. Technometrics 25 (1983).
Up to k values are taken out, the most extreme first, each compared with mean and deviation of those
left. The number of outliers is the last place at which the deviate is above its critical value. If
all values are normal, the chance of any outlier is alpha. Unlike a test of one value, two outliers
do not hide each other.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

FEWEST = 4  # values; fewer tell no outlier


def outliers(values: Sequence[float], alpha: float, most: int | None = None) -> list[int]:
    """Returns the places of outliers, the most extreme first.

    Args:
        values: The sample.
        alpha: Chance of any outlier if all values are normal.
        most: Largest number of outliers; by default a third of the values.
    """
    left = list(range(len(values)))
    most = len(values) // 3 if most is None else most
    removed: list[int] = []
    count = 0
    while len(removed) < most and len(left) >= FEWEST:
        sample = np.array([values[i] for i in left])
        deviation = float(sample.std(ddof=1))
        if deviation == 0:
            break
        place = int(np.argmax(np.abs(sample - sample.mean())))
        deviate = abs(float(sample[place]) - float(sample.mean())) / deviation
        removed.append(left.pop(place))
        if deviate > _critical(len(sample), alpha):
            count = len(removed)
    return removed[:count]


def _critical(n: int, alpha: float) -> float:
    """Returns the critical value of the largest deviate of n normal values."""
    t = float(stdtrit(n - 2, 1 - alpha / (2 * n)))
    return (n - 1) * t / math.sqrt((n - 2 + t * t) * n)
