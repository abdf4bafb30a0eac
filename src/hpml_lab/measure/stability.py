"""What rounds show that were not drawn from one steady state."""

from collections.abc import Iterator, Sequence

import numpy as np

from hpml_lab.measure.median import rank_interval
from hpml_lab.units import percent

FEWEST_ROUNDS = 20
SMALLEST = 0.02  # a smaller difference is not told
_CONFIDENCE = 0.995  # of each half; ten rounds have such an interval
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


def drift(rounds_s: Sequence[float]) -> float:
    """Returns by which share the later half of the rounds is slower; negative if it is faster.

    Noise that is slow compared with the rounds is a drift too, so it is not corrected for.

    Returns:
        0 unless the intervals of the halves' medians are apart, and by more than `SMALLEST`.
    """
    middle = len(rounds_s) // 2
    earlier, later = rounds_s[:middle], rounds_s[middle:]
    before, after = (rank_interval(half, _CONFIDENCE) for half in (earlier, later))
    if before is None or after is None or (after[0] <= before[1] and before[0] <= after[1]):
        return 0.0
    if before[0] <= 0:
        return 0.0  # nothing is a share of no time
    change = float(np.median(later) / np.median(earlier)) - 1
    return change if abs(change) > SMALLEST else 0.0


def two_modes(rounds_s: Sequence[float]) -> tuple[float, float] | None:
    """Returns how far two modes are apart, as a share of the faster, and the share of the slower.

    The cut is the one that leaves the least variance within the two parts.

    Returns:
        None if there is one mode.
    """
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
