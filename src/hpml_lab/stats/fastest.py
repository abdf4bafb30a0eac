"""The fastest of several cases of one run, and the cases that do not differ significantly from it.

Cases are compared within each process (or seed), where common effects cancel: Student's t over
processes tests whether the mean log ratio of two cases is 0. The variances of the ratios are
shrunken towards each other (`shrinkage`). The chance of any false order among the cases is at most
alpha, shared by all pairs of them, since the fastest one is chosen from the same data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from hpml_lab.stats.shrinkage import shrink, t_quantiles

ALPHA = 0.01
FEWEST = 2  # processes; one shows no order

Key = TypeVar("Key")


@dataclass(frozen=True)
class Fastest(Generic[Key]):
    """The case with the least time.

    Attributes:
        best: Its key.
        alike: Keys of the cases that do not differ significantly from it; all others if the data
            cannot show a difference.
    """

    best: Key
    alike: tuple[Key, ...]

    @property
    def is_told(self) -> bool:
        """Whether it is significantly faster than every other case."""
        return not self.alike


def fastest(seconds: Mapping[Key, Sequence[float]], alpha: float = ALPHA) -> Fastest[Key]:
    """The fastest of several cases.

    Args:
        seconds: for each case one value for each process, in the same order; above 0.
        alpha: the chance of any false order.
    """
    best = min(seconds, key=lambda key: float(np.mean(np.log(seconds[key]))))
    others = [key for key in seconds if key != best]
    counts = {len(values) for values in seconds.values()}
    if not others or len(counts) > 1 or counts.pop() < FEWEST:
        return Fastest(best, tuple(others))
    ratios = np.array([np.log(seconds[key]) - np.log(seconds[best]) for key in others])
    count = ratios.shape[-1]
    shrunken = shrink(ratios.var(-1, ddof=1), np.full(len(others), count - 1.0))
    pairs = len(seconds) * len(others) / 2
    half_width = t_quantiles(1 - alpha / 2 / pairs, shrunken.dof)
    slower = ratios.mean(-1) > half_width * np.sqrt(shrunken.conservative / count)
    alike = tuple(key for key, clear in zip(others, slower, strict=True) if not clear)
    return Fastest(best, alike)
