"""Which of several cases of one run is the fastest, and which cannot be told from it.

Cases are compared within each process (or seed), where what all of them share cancels: the mean of
the log ratios of two cases is told from 0 by Student's t over processes. Variances of the ratios
are moderated by one another (`moderation`). The chance of any false order among the cases is held
at alpha, shared by all pairs of them, since which one is the fastest is read from the same data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from hpml_lab.verdict.moderation import moderated
from hpml_lab.verdict.student import t_quantiles

ALPHA = 0.01
FEWEST = 2  # processes; one tells no order

Key = TypeVar("Key")


@dataclass(frozen=True)
class Fastest(Generic[Key]):
    """The case with the least time.

    Attributes:
        best: its key.
        alike: keys of those that cannot be told from it; all others where nothing can be told.
    """

    best: Key
    alike: tuple[Key, ...]

    @property
    def is_told(self) -> bool:
        """Whether it is told from every other case."""
        return not self.alike


def fastest(seconds: Mapping[Key, Sequence[float]], alpha: float = ALPHA) -> Fastest[Key]:
    """Returns the fastest of several cases.

    Args:
        seconds: of each case one value for each process, in one order; above 0.
        alpha: the chance of any false order.
    """
    best = min(seconds, key=lambda key: float(np.mean(np.log(seconds[key]))))
    others = [key for key in seconds if key != best]
    counts = {len(values) for values in seconds.values()}
    if not others or len(counts) > 1 or counts.pop() < FEWEST:
        return Fastest(best, tuple(others))
    ratios = np.array([np.log(seconds[key]) - np.log(seconds[best]) for key in others])
    count = ratios.shape[-1]
    found = moderated(ratios.var(-1, ddof=1), np.full(len(others), count - 1.0))
    pairs = len(seconds) * len(others) / 2
    half_width = t_quantiles(1 - alpha / 2 / pairs, found.dof)
    told = ratios.mean(-1) > half_width * np.sqrt(found.careful / count)
    return Fastest(best, tuple(key for key, clear in zip(others, told, strict=True) if not clear))
