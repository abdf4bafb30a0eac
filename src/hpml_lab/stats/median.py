"""Distribution-free confidence intervals for the median of one process, from its rounds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_WINDOW = 5  # Sokal: lags are summed up to five times the sum itself


def median_interval(
    rounds_s: Sequence[float], confidence: float = 0.95
) -> tuple[float, float] | None:
    """Distribution-free confidence interval for the population median, with autocorrelation.

    Successive rounds are correlated, so the ranks of `rank_interval` are moved apart by the square
    root of the `autocorrelation_time`.

    Returns:
        the two ends; None for too few rounds.
    """
    return rank_interval(rounds_s, confidence, autocorrelation_time(rounds_s) ** 0.5)


def rank_interval(
    rounds_s: Sequence[float], confidence: float = 0.95, stretch: float = 1.0
) -> tuple[float, float] | None:
    """Distribution-free confidence interval for the population median of independent rounds.

    Its ends are order statistics: for any distribution, the number of rounds below the median is
    binomial with probability one half.

    Args:
        rounds_s: the rounds.
        confidence: coverage of the interval.
        stretch: factor by which the ranks are farther from the middle.

    Returns:
        the two ends; None for too few rounds: six is the fewest at 95 %.
    """
    values = np.sort(np.asarray(rounds_s, np.float64))
    middle = len(values) / 2
    rank = _lower_rank(len(values), (1 - confidence) / 2)
    rank = int(middle - (middle - rank) * stretch) if rank else 0
    return (float(values[rank - 1]), float(values[-rank])) if rank > 0 else None


def autocorrelation_time(values: ArrayLike) -> float:
    """Integrated autocorrelation time tau of the signs about the median, 1 or more.

    n values carry the information of n / tau independent ones. It is one plus twice the sum of
    autocorrelations over the window of Sokal, Monte Carlo Methods in Statistical Mechanics (1996),
    section 3.
    """
    series = np.asarray(values, np.float64)
    signs = np.sign(series - np.median(series))
    signs -= signs.mean()
    variance = float(signs @ signs)
    if variance == 0:
        return 1.0
    total = 1.0
    for lag in range(1, len(signs) // 2):
        total += 2 * float(signs[:-lag] @ signs[lag:]) / variance
        if lag >= _WINDOW * total:
            break
    return max(total, 1.0)


def _lower_rank(count: int, chance: float) -> int:
    """Largest rank r with P(fewer than r values lie below the median) <= chance."""
    return int(np.searchsorted(np.cumsum(_half_binomial(count)), chance, side="right"))


def _half_binomial(count: int) -> NDArray[np.float64]:
    """Binomial probabilities of 0, 1, ... up to count // 2 heads in count tosses of a fair coin."""
    heads = np.arange(1, count // 2 + 1)
    ratios = np.log((count - heads + 1) / heads)
    logs: NDArray[np.float64] = np.concatenate([[0.0], np.cumsum(ratios)]) - count * np.log(2)
    return np.exp(logs)
