"""Instability of rounds: drift, two modes, and a mean far from the median."""

import math
import statistics
from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np

from hpml_lab.units import percent, seconds

FEWEST_ROUNDS = 6  # five in rising order are too likely by chance
ROUNDS_OF_MODES = 20
SMALLEST = 0.02  # a smaller difference is not reported
UNEVEN = 0.10  # difference of the mean from the median
_CHANCE = 0.003  # p-value of a trend; for six rounds in order it is 2/720
_EXACT = 20
_BLOCKS = 200
_MINORITY = 0.2
# In standard deviations within a mode. The best cut leaves 3 between the halves of one normal mode,
# 4 for uniform noise, and 6 for exponential noise in one of 15 cases of 20 rounds.
_SEPARATION = 6.0


def unstable(rounds_s: Sequence[float]) -> Iterator[str]:
    """Yields one sentence per instability; none for fewer than `FEWEST_ROUNDS` rounds.

    Args:
        rounds_s: Seconds per iteration of each round, in the order of time.
    """
    if len(rounds_s) < FEWEST_ROUNDS:
        return
    change = drift(rounds_s)
    if change:
        direction = "more" if change > 0 else "less"
        yield f"drift: the later half of the rounds took {percent(abs(change))} {direction} time"
    elif modes := two_modes(rounds_s):
        gap, share = modes
        yield f"two modes: {percent(share)} of the rounds took {percent(gap)} more time"
    mean, middle = statistics.fmean(rounds_s), statistics.median(rounds_s)
    if abs(mean - middle) > UNEVEN * middle > 0:
        yield (
            f"uneven: the mean {seconds(mean)} differs from the median {seconds(middle)}; where "
            "every n-th call does more, give measure calls=n"
        )


def drift(rounds_s: Sequence[float]) -> float:
    """Returns the relative change from the earlier to the later half; negative if faster.

    Slowly varying noise is a drift too, so autocorrelation is not corrected for.

    Returns:
        0 unless the change exceeds `SMALLEST` and the trend is significant.
    """
    if min(rounds_s, default=0) <= 0:
        return 0.0  # a relative change needs a positive time
    if chance_of_trend(rounds_s) > _CHANCE:
        return 0.0
    middle = len(rounds_s) // 2
    change = float(np.median(rounds_s[middle:]) / np.median(rounds_s[:middle])) - 1
    return change if abs(change) > SMALLEST else 0.0


def chance_of_trend(values: Sequence[float]) -> float:
    """Returns the two-sided p-value of the Mann-Kendall trend test.

    H. B. Mann: Nonparametric tests against trend. Econometrica 13(3), 1945. Exact for up to
    `_EXACT` values, normal approximation beyond; more than `_BLOCKS` values are replaced by the
    medians of `_BLOCKS` blocks.
    """
    blocks = np.array_split(np.asarray(values, np.float64), min(len(values), _BLOCKS))
    array = np.array([np.median(block) for block in blocks])
    excess = abs(int(np.triu(np.sign(array[None, :] - array[:, None]), 1).sum()))
    count = len(array)
    if count > _EXACT:
        variance = count * (count - 1) * (2 * count + 5) / 18
        return math.erfc(max(excess - 1, 0) / math.sqrt(2 * variance))
    pairs = count * (count - 1) // 2
    inverted = sum(_by_inversions(count)[: (pairs - excess) // 2 + 1])
    return min(1.0, 2 * inverted / math.factorial(count))


def _by_inversions(count: int) -> list[int]:
    """Returns the numbers of permutations with 0, 1, 2, ... inversions."""
    orders = [1]
    for size in range(2, count + 1):
        # The largest value may take any place, and is inverted with the values after it.
        sums = [0, *accumulate([*orders, *[0] * (size - 1)])]
        orders = [sums[k + 1] - sums[max(0, k + 1 - size)] for k in range(len(sums) - 1)]
    return orders


def two_modes(rounds_s: Sequence[float]) -> tuple[float, float] | None:
    """Returns the relative gap of two modes, and the share of rounds in the slower one.

    The cut between the modes minimises the variance within the two parts.

    Returns:
        None if there is one mode, or fewer than `ROUNDS_OF_MODES` rounds.
    """
    if len(rounds_s) < ROUNDS_OF_MODES:
        return None
    values = np.sort(np.asarray(rounds_s, np.float64))
    total, count = len(values), np.arange(1, len(values))
    fast = np.cumsum(values)[:-1] / count
    slow = (values.sum() - np.cumsum(values)[:-1]) / (total - count)
    between = count * (total - count) / total**2 * (slow - fast) ** 2
    cut = int(np.argmax(between))
    within = max(float(values.var() - between[cut]), 0.0) ** 0.5
    gap, faster, share = float(slow[cut] - fast[cut]), float(fast[cut]), 1 - (cut + 1) / total
    apart = faster > 0 and gap > max(_SEPARATION * within, SMALLEST * faster)
    return (gap / faster, share) if apart and _MINORITY <= share <= 1 - _MINORITY else None
