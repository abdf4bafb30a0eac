"""What rounds show that were not drawn from one steady state."""

import math
import statistics
from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np

from hpml_lab.units import percent, seconds

FEWEST_ROUNDS = 6  # five in rising order are too likely by chance
ROUNDS_OF_MODES = 20
SMALLEST = 0.02  # a smaller difference is not told
UNEVEN = 0.10  # of the mean from the median
_CHANCE = 0.003  # of a trend in steady rounds; six in order have 2/720
_EXACT = 20
_BLOCKS = 200
_MINORITY = 0.2
# In standard deviations within a mode. The best cut through one mode leaves 3 between its halves,
# through uniform noise 4, through exponential noise 6 in one of 15 cases of 20 rounds.
_SEPARATION = 6.0


def unstable(rounds_s: Sequence[float]) -> Iterator[str]:
    """Yields what was seen; nothing of fewer than `FEWEST_ROUNDS` rounds.

    Args:
        rounds_s: in the order of time.
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
    """Returns by which share the later half of the rounds is slower; negative if it is faster.

    Noise that is slow compared with the rounds is a drift too, so it is not corrected for.

    Returns:
        0 unless the rounds rise or fall by more than `SMALLEST`, and in their order, not by chance.
    """
    if min(rounds_s, default=0) <= 0:
        return 0.0  # nothing is a share of no time
    if chance_of_trend(rounds_s) > _CHANCE:
        return 0.0
    middle = len(rounds_s) // 2
    change = float(np.median(rounds_s[middle:]) / np.median(rounds_s[:middle])) - 1
    return change if abs(change) > SMALLEST else 0.0


def chance_of_trend(values: Sequence[float]) -> float:
    """Returns how often values without a trend have as many pairs in one order.

    H. B. Mann: Nonparametric tests against trend. Econometrica 13(3), 1945. Exact for up to
    `_EXACT` values, normal beyond; of more than `_BLOCKS` values the medians of as many blocks.
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
    """Returns how many orders of so many values have 0, 1, 2, ... pairs out of order."""
    orders = [1]
    for size in range(2, count + 1):
        # The largest value goes to any of the places, and inverts with those behind it.
        sums = [0, *accumulate([*orders, *[0] * (size - 1)])]
        orders = [sums[k + 1] - sums[max(0, k + 1 - size)] for k in range(len(sums) - 1)]
    return orders


def two_modes(rounds_s: Sequence[float]) -> tuple[float, float] | None:
    """Returns how far two modes are apart, as a share of the faster, and the share of the slower.

    The cut is the one that leaves the least variance within the two parts.

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
