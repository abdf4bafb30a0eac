"""Change points of a noisy series: where it changes to another level and stays there.

At each place the mean of up to h values before it is compared with the mean of up to h from it on,
for two h. The difference is a change point if it stands out from the noise, which may be
correlated: the values next to the place are modelled as an autoregressive process about the two
means, whose mean has the variance of independent values times (1 + rho) / (1 - rho). With s2 the
mean square about the means and d half the mean square of neighbours' differences, 1 - rho = d / s2.
That variance is estimated from the values next to the place. In a series of `LONG` values or more
it is also estimated by the median over all places, after a linear drift is removed. Either estimate
may find a change point, so that one found in a short history is not lost when the history grows.

Student's t gives the bounds, at the chance that all places together are allowed. It would be right
for independent values; the factors make up for noise that so few values cannot distinguish from
change points. They are chosen by simulation and hold for independent, skewed and heavy-tailed
noise, for correlations of up to 0.6 from one run to the next, for drift of any slope, and for
random walks whose steps are a tenth of the noise, but not of a fifth:
`tests/analytic/test_trend_errors.py`. The price is power: in short series a change must be about
five times the noise to be found mostly.
"""

import math
from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpml_lab.stats.shrinkage import t_quantile

FEWEST_VALUES = 8
FEWEST_BESIDE = 4  # fewest values of a level
WINDOWS = (8, 16)  # h
LONG = 48
SMALLEST_NOISE = 1e-4  # in logs; anything steadier is limited by the clock's resolution

_LOCAL_FACTOR = 2.0
_FEWEST_TESTS = 40
_OUTLIER = 4.0
_NORMAL_TENTH = 1.6449  # 0.9 quantile of |z| for a standard normal z

Array = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class ChangePoint:
    """A change of level.

    Attributes:
        index: Index of the first value of the new level.
        before: Mean of the last values of the old level, at most 16 of them.
        after: Mean of the first values of the new level, at most 16 of them.
        first: Index of the first value of `before`.
        end: Index after the last value of `after`.
    """

    index: int
    before: float
    after: float
    first: int
    end: int


def change_points(values: ArrayLike, alpha: float, noise: float = 0.0) -> list[ChangePoint]:
    """Change points of a series, in its order.

    Args:
        values: (n,), n >= `FEWEST_VALUES`, on a scale on which noise adds: logs of seconds.
        alpha: the chance of any change point in a series that has none.
        noise: a lower bound for the variance of a value, such as the processes of a run give.
    """
    exact = np.asarray(values, np.float64)
    series = clipped(exact)
    edges = [0, len(series)]
    while (place := _next(series, exact, edges, alpha, noise)) is not None:
        insort(edges, place)
    return [_change_point(series, *edges[i : i + 3]) for i in range(len(edges) - 2)]


def clipped(values: Array) -> Array:
    """Series (..., n) with isolated outliers clipped towards the median of their neighbours.

    Deviations in more than one of ten places are no outliers: the machine has two speeds.
    """
    ends = [(0, 0)] * (values.ndim - 1) + [(2, 2)]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, ends, "edge"), 5, axis=-1)
    middle = np.median(windows, axis=-1)
    deviation = values - middle
    limit = _OUTLIER / _NORMAL_TENTH * np.quantile(np.abs(deviation), 0.9, axis=-1, keepdims=True)
    return middle + np.clip(deviation, -limit, limit)


def window_statistics(
    series: Array, edges: list[int], alpha: float, noise: float = 0.0
) -> tuple[Array, Places]:
    """Test statistic of every place, divided by its bound: above 1 it is a change point.

    Args:
        series: (..., n), clipped.
        edges: 0, the places of the known change points, n.
        alpha: as in `change_points`.
        noise: as in `change_points`.

    Returns:
        the statistics (..., n), and the window h of every place, of the same shape.
    """
    best = np.zeros(series.shape)
    chosen = np.zeros(series.shape, np.intp)
    for statistic, places, window in _tests(series, edges, alpha, max(noise, SMALLEST_NOISE**2)):
        previous = best[..., places]
        chosen[..., places] = np.where(statistic > previous, window, chosen[..., places])
        best[..., places] = np.maximum(statistic, previous)
    return best, chosen


def _tests(
    series: Array, edges: list[int], alpha: float, noise: float
) -> Iterator[tuple[Array, Places, int]]:
    """Test statistics divided by their bounds, with the places and the window h of the tests."""
    count = series.shape[-1]
    alpha_per_place = alpha / max(count, _FEWEST_TESTS)
    for window in WINDOWS:
        stats = _Beside(series, edges, window)
        bounds = [_bound(alpha_per_place, int(dof)) for dof in stats.left + stats.right - 2]
        error = np.sqrt(np.maximum(stats.inflated, noise) * stats.shares)
        yield np.abs(stats.difference) / (_LOCAL_FACTOR * error * bounds), stats.places, window
        if count >= LONG:
            stats = _Beside(_without_drift(series), edges, window)
            error = np.sqrt(np.maximum(stats.typical(), noise) * stats.shares)
            bound = _long_factor(count) * _bound(alpha_per_place, count // 4)
            yield np.abs(stats.difference) / (error * bound), stats.places, window


def _long_factor(count: int) -> float:
    """Factor of the bound that makes up for correlation: 1.1 for 48 values, 1.39 for 200."""
    return 1.1 + 0.2 * math.log(count / LONG)


def _without_drift(series: Array) -> Array:
    """Series (..., n) without their linear drift: the median difference a quarter apart."""
    count = series.shape[-1]
    lag = count // 4
    rise: Array = np.median(series[..., lag:] - series[..., :-lag], -1, keepdims=True)
    line: Array = rise / lag * np.arange(count)
    return series - line


@lru_cache(maxsize=4096)
def _bound(chance: float, dof: float) -> float:
    return t_quantile(1 - chance / 2, dof)


class _Beside:
    """Two-window statistics at each place that has enough values on either side.

    Attributes:
        places: (p,), index of the first value on the right of a place.
        left: (p,), number of values on its left.
        right: (p,), number of values on its right.
        shares: (p,), variance of the difference for independent values of variance 1.
        difference: (..., p), mean of the right minus mean of the left.
        own: (..., p), mean square about the two means.
        inflated: (..., p), variance of independent values whose means would vary as much.
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
        """Median of the inflated variances, or a place's own variance where that is larger."""
        whole = self.inflated[..., self._whole] if self._whole.any() else self.inflated
        typical: Array = np.maximum(self.own, np.median(whole, -1, keepdims=True))
        return typical

    def _between(self, sums: Array, left: Places | int, right: Places | int) -> Array:
        return sums[..., self.places + right] - sums[..., self.places - left]

    def _inflation(self, series: Array) -> Array:
        """Variance inflation (1 + rho) / (1 - rho) by correlation, not below 1."""
        squares = _sums(np.diff(series, axis=-1) ** 2)
        total = self._between(squares, self.left, self.right - 1)
        across = squares[..., self.places] - squares[..., self.places - 1]
        halves = (total - across) / (2 * (self.left + self.right - 2))
        inflation: Array = 2 * self.own / np.maximum(halves, SMALLEST_NOISE**2) - 1
        return np.maximum(1, inflation)


def _sums(values: Array) -> Array:
    """Cumulative sums: of the first 0, 1, ..., n values."""
    return np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, -1)], -1)


def _next(series: Array, exact: Array, edges: list[int], alpha: float, noise: float) -> int | None:
    statistics, windows = window_statistics(series, edges, alpha, noise)
    place = int(statistics.argmax())
    if statistics[place] <= 1:
        return None
    window, right = int(windows[place]), int(np.searchsorted(edges, place, "right"))
    first, last = max(edges[right - 1], place - window), min(edges[right], place + window)
    return first + _split(exact[first:last])


def _split(values: Array) -> int:
    """Index at which to split values for the least absolute deviations from the two medians."""
    sizes = range(FEWEST_BESIDE, len(values) - FEWEST_BESIDE + 1)
    return min(sizes, key=lambda size: _deviations(values[:size]) + _deviations(values[size:]))


def _deviations(values: Array) -> float:
    return float(np.abs(values - np.median(values)).sum())


def _change_point(series: Array, first: int, place: int, last: int) -> ChangePoint:
    window = WINDOWS[-1]
    first, end = max(first, place - window), min(last, place + window)
    before, after = series[first:place].mean(), series[place:end].mean()
    return ChangePoint(place, float(before), float(after), first, end)


FEWEST_CASES = 8  # among fewer, one changed case would be mistaken for drift of the machine
_SWEEPS = 8


def shared_movement(values: Sequence[Array]) -> Array:
    """Common drift of all cases: deviation of each run from the usual level of its cases, (runs,).

    Medians of rows and columns of the table are subtracted in turn (Tukey's median polish), so
    a change of less than half of the cases stays with them. 0 for a run of fewer than
    `FEWEST_CASES` cases.

    Args:
        values: for each case an array (runs,), logs of seconds; NaN where a run lacks the case.
    """
    table = np.stack(values)
    known = ~np.isnan(table)
    enough = known.sum(0) >= FEWEST_CASES
    shared = np.zeros(table.shape[1])
    if not enough.any():
        return shared
    for _ in range(_SWEEPS):
        usual = _medians(table - shared, known)
        shared[enough] = _medians((table - usual[:, None]).T[enough], known.T[enough])
    return shared


def _medians(rows: Array, known: NDArray[np.bool_]) -> Array:
    """Median of the known values of each row; NaN sorts last."""
    ordered, counts = np.sort(rows, -1), known.sum(-1)
    every = np.arange(len(rows))
    low, high = np.maximum((counts - 1) // 2, 0), counts // 2
    medians: Array = (ordered[every, low] + ordered[every, np.minimum(high, rows.shape[1] - 1)]) / 2
    return medians
