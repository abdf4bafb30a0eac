"""Where a noisy series moves to another level and stays there.

At each place the mean of up to h values before it is set against the mean of up to h from it on,
for two h. The difference is a step where it stands out from the noise, which may be correlated: the
values beside the place are taken for an autoregressive process about the two means, whose mean has
the variance of independent values times (1 + rho) / (1 - rho); with s2 the mean square about the
means and d half the mean square of neighbours' differences, 1 - rho = d / s2. What lies beside the
place says what that variance is; in a series of `LONG` values or more, so does the median over all
its places, and what drift the series has all along. Either may find a step, so that what a short
history has shown is still there when the history grows.

Student's t gives the bounds, at the chance that all places together are allowed. It would be right
for independent values; the factors make up for noise that so few values cannot tell from steps.
They are chosen by simulation and hold for independent, skewed and heavy-tailed noise, for
correlations of up to 0.6 from one run to the next, for drift of any slope, and for random walks
whose steps are a tenth of the noise, but not of a fifth: `tests/analytic/test_trend_errors.py`.
The price is power: in short series a step must be about five times the noise to be found mostly.
"""

import math
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpml_lab.verdict.student import t_quantile

FEWEST_VALUES = 8
FEWEST_BESIDE = 4  # values that a level has, at least
WINDOWS = (8, 16)  # h
LONG = 48
SMALLEST_NOISE = 1e-4  # of logs; what is steadier than that is a clock's grain

_LOCAL_FACTOR = 2.0
_FEWEST_TESTS = 40
_OUTLIER = 4.0
_NORMAL_TENTH = 1.6449  # what |z| exceeds in a tenth

Array = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Step:
    """A change of level.

    Attributes:
        index: of the first value of the new level.
        before: the mean of the last values of the old level, at most 16 of them.
        after: the mean of the first values of the new one.
        first: the index of the first value of `before`.
        end: the index behind the last value of `after`.
    """

    index: int
    before: float
    after: float
    first: int
    end: int


def steps(values: ArrayLike, alpha: float, noise: float = 0.0) -> list[Step]:
    """Returns the steps of a series, in its order.

    Args:
        values: (n,), n >= `FEWEST_VALUES`, on a scale on which noise adds: logs of seconds.
        alpha: the chance of any step in a series that has none.
        noise: a variance that each value has at least, such as processes of a run show it.
    """
    exact = np.asarray(values, np.float64)
    series = tamed(exact)
    edges = [0, len(series)]
    while (place := _next(series, exact, edges, alpha, noise)) is not None:
        insort(edges, place)
    return [_step(series, *edges[i : i + 3]) for i in range(len(edges) - 2)]


def tamed(values: Array) -> Array:
    """Returns series (..., n) in which single values far off their neighbours are less far off.

    Values that are off in more than one of ten places are no outliers: the machine has two speeds.
    """
    ends = [(0, 0)] * (values.ndim - 1) + [(2, 2)]
    beside = np.lib.stride_tricks.sliding_window_view(np.pad(values, ends, "edge"), 5, axis=-1)
    middle = np.median(beside, axis=-1)
    apart = values - middle
    window = _OUTLIER / _NORMAL_TENTH * np.quantile(np.abs(apart), 0.9, axis=-1, keepdims=True)
    return middle + np.clip(apart, -window, window)


def evidence(
    series: Array, edges: list[int], alpha: float, noise: float = 0.0
) -> tuple[Array, Places]:
    """Returns how far each place stands out from the bound of a step; beyond 1 is one.

    Args:
        series: (..., n), tamed.
        edges: 0, the places of the steps known, n.
        alpha: as of `steps`.
        noise: as of `steps`.

    Returns:
        (..., n), and the h of each, of the same shape.
    """
    best = np.zeros(series.shape)
    chosen = np.zeros(series.shape, np.intp)
    for found, places, window in _tests(series, edges, alpha, max(noise, SMALLEST_NOISE**2)):
        now = best[..., places]
        chosen[..., places] = np.where(found > now, window, chosen[..., places])
        best[..., places] = np.maximum(found, now)
    return best, chosen


def _tests(
    series: Array, edges: list[int], alpha: float, noise: float
) -> Iterator[tuple[Array, Places, int]]:
    """Yields how far differences stand out, at which places, and for which h."""
    count = series.shape[-1]
    each = alpha / max(count, _FEWEST_TESTS)
    for window in WINDOWS:
        beside = _Beside(series, edges, window)
        bounds = [_bound(each, int(dof)) for dof in beside.left + beside.right - 2]
        error = np.sqrt(np.maximum(beside.inflated, noise) * beside.shares)
        yield np.abs(beside.difference) / (_LOCAL_FACTOR * error * bounds), beside.places, window
        if count >= LONG:
            beside = _Beside(_without_drift(series), edges, window)
            error = np.sqrt(np.maximum(beside.typical(), noise) * beside.shares)
            bound = _long_factor(count) * _bound(each, count // 4)
            yield np.abs(beside.difference) / (error * bound), beside.places, window


def _long_factor(count: int) -> float:
    """Returns what correlation costs: 1.1 for 48 values, 1.39 for 200."""
    return 1.1 + 0.2 * math.log(count / LONG)


def _without_drift(series: Array) -> Array:
    """Returns series without the slope that most of their quarters have: (..., n)."""
    count = series.shape[-1]
    apart = count // 4
    rise: Array = np.median(series[..., apart:] - series[..., :-apart], -1, keepdims=True)
    straight: Array = rise / apart * np.arange(count)
    return series - straight


@lru_cache(maxsize=4096)
def _bound(chance: float, dof: float) -> float:
    return t_quantile(1 - chance / 2, dof)


class _Beside:
    """What lies within window of each place that has enough values on either side.

    Attributes:
        places: (p,), the first index right of each.
        left: (p,), how many values on its left.
        right: (p,), how many on its right.
        shares: (p,), the variance of the difference for independent values of variance 1.
        difference: (..., p), mean of the right less mean of the left.
        own: (..., p), the mean square about the two means.
        inflated: (..., p), the variance of independent values whose means would vary as much.
    """

    def __init__(self, series: Array, edges: list[int], window: int) -> None:
        every = np.arange(series.shape[-1])
        after = np.searchsorted(edges, every, "right")
        left = np.minimum(every - np.array(edges)[after - 1], window)
        right = np.minimum(np.array(edges)[after] - every, window)
        inside = np.minimum(left, right) >= FEWEST_BESIDE
        self.places, self.left, self.right = every[inside], left[inside], right[inside]
        self.shares = 1 / self.left + 1 / self.right
        sums = _sums(series)
        mean_left = self._between(sums, self.left, 0) / self.left
        mean_right = self._between(sums, 0, self.right) / self.right
        self.difference = mean_right - mean_left
        squares = self._between(_sums(series**2), self.left, self.right)
        squares = squares - self.left * mean_left**2 - self.right * mean_right**2
        self.own = np.maximum(squares, 0) / (self.left + self.right - 2)
        self.inflated = self.own * self._inflation(series)
        self._whole = (self.left == window) & (self.right == window)

    def typical(self) -> Array:
        """Returns the median of the inflated variances, or the own one where that is more."""
        whole = self.inflated[..., self._whole] if self._whole.any() else self.inflated
        typical: Array = np.maximum(self.own, np.median(whole, -1, keepdims=True))
        return typical

    def _between(self, sums: Array, left: Places | int, right: Places | int) -> Array:
        return sums[..., self.places + right] - sums[..., self.places - left]

    def _inflation(self, series: Array) -> Array:
        """Returns (1 + rho) / (1 - rho), not below 1."""
        apart = _sums(np.diff(series, axis=-1) ** 2)
        total = self._between(apart, self.left, self.right - 1)
        across = apart[..., self.places] - apart[..., self.places - 1]
        halves = (total - across) / (2 * (self.left + self.right - 2))
        inflation: Array = 2 * self.own / np.maximum(halves, SMALLEST_NOISE**2) - 1
        return np.maximum(1, inflation)


def _sums(values: Array) -> Array:
    """Returns the sums of the first 0, 1, ..., n values."""
    return np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, -1)], -1)


def _next(series: Array, exact: Array, edges: list[int], alpha: float, noise: float) -> int | None:
    found, windows = evidence(series, edges, alpha, noise)
    place = int(found.argmax())
    if found[place] <= 1:
        return None
    window, right = int(windows[place]), int(np.searchsorted(edges, place, "right"))
    first, last = max(edges[right - 1], place - window), min(edges[right], place + window)
    return first + _split(exact[first:last])


def _split(values: Array) -> int:
    """Returns where to split values so that the two medians leave the least deviations."""
    sizes = range(FEWEST_BESIDE, len(values) - FEWEST_BESIDE + 1)
    return min(sizes, key=lambda size: _deviations(values[:size]) + _deviations(values[size:]))


def _deviations(values: Array) -> float:
    return float(np.abs(values - np.median(values)).sum())


def _step(series: Array, first: int, place: int, last: int) -> Step:
    far = WINDOWS[-1]
    first, end = max(first, place - far), min(last, place + far)
    before, after = series[first:place].mean(), series[place:end].mean()
    return Step(place, float(before), float(after), first, end)
