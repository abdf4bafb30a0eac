"""What all cases of a history do together: the machine of each run, or what all have in common."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FEWEST_CASES = 8  # of fewer, one that moves would be taken for the machine
_SWEEPS = 8

Array = NDArray[np.float64]


def shared_movement(values: Sequence[Array]) -> Array:
    """Returns how far each run is off what is usual for its cases: (runs,).

    Rows and columns of the table are taken off by their medians in turn (Tukey's median polish), so
    what less than half of the cases do stays with them. 0 for a run of fewer than `FEWEST_CASES`.

    Args:
        values: (runs,) a case, logs of seconds; NaN where a run lacks the case.
    """
    table = np.stack(values)
    known = ~np.isnan(table)
    told = known.sum(0) >= FEWEST_CASES
    shared = np.zeros(table.shape[1])
    if not told.any():
        return shared
    for _ in range(_SWEEPS):
        usual = _medians(table - shared, known)
        shared[told] = _medians((table - usual[:, None]).T[told], known.T[told])
    return shared


def _medians(rows: Array, known: NDArray[np.bool_]) -> Array:
    """Returns the median of what is known of each row; NaN sorts last."""
    ordered, counts = np.sort(rows, -1), known.sum(-1)
    every = np.arange(len(rows))
    low, high = np.maximum((counts - 1) // 2, 0), counts // 2
    medians: Array = (ordered[every, low] + ordered[every, np.minimum(high, rows.shape[1] - 1)]) / 2
    return medians
