"""How well the rounds of one process know its median."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_WINDOW = 5  # Sokal: lags are summed up to five times the sum itself


def median_interval(
    rounds_s: Sequence[float], confidence: float = 0.95
) -> tuple[float, float] | None:
    """Returns the interval of the median of what the rounds were drawn from.

    Rounds that follow each other are alike, so the ranks of `rank_interval` are moved apart by the
    square root of the `autocorrelation_time`.

    Returns:
        None of too few rounds.
    """
    return rank_interval(rounds_s, confidence, autocorrelation_time(rounds_s) ** 0.5)


def rank_interval(
    rounds_s: Sequence[float], confidence: float = 0.95, stretch: float = 1.0
) -> tuple[float, float] | None:
    """Returns the interval of the median of what independent rounds were drawn from.

    Two order statistics: whatever the distribution, the number of rounds below its median is
    binomial with one half.

    Args:
        rounds_s: the rounds.
        confidence: how often the interval is to hold the median.
        stretch: how many times farther from the middle the ranks are to be.

    Returns:
        None of too few rounds: six is the fewest at 95 %.
    """
    values = np.sort(np.asarray(rounds_s, np.float64))
    middle = len(values) / 2
    rank = _lower_rank(len(values), (1 - confidence) / 2)
    rank = int(middle - (middle - rank) * stretch) if rank else 0
    return (float(values[rank - 1]), float(values[-rank])) if rank > 0 else None


def autocorrelation_time(values: ArrayLike) -> float:
    """Returns how many values in a row count for one, of the signs about the median; 1 or more.

    One plus twice the sum of autocorrelations over the window of Sokal, Monte Carlo Methods in
    Statistical Mechanics (1996), section 3.
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
    """Returns the largest rank r for which fewer than r values lie below the median by chance."""
    return int(np.searchsorted(np.cumsum(_half_binomial(count)), chance, side="right"))


def _half_binomial(count: int) -> NDArray[np.float64]:
    """Returns the chances of 0, 1, ... up to count // 2 heads in that many throws of a coin."""
    heads = np.arange(1, count // 2 + 1)
    ratios = np.log((count - heads + 1) / heads)
    logs: NDArray[np.float64] = np.concatenate([[0.0], np.cumsum(ratios)]) - count * np.log(2)
    return np.exp(logs)
