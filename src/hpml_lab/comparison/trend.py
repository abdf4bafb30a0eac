"""Changes in one machine's history: change points of seconds, any change of exact counters."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from hpml_lab.runs.summary import Case, Measured, Summary, by_case
from hpml_lab.stats.change_points import (
    FEWEST_CASES,
    FEWEST_VALUES,
    ChangePoint,
    change_points,
    shared_movement,
)

ALPHA = 0.01
_FOLLOWS = 0.5  # least share of a common change that a case must show to be one of its cases

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """Change of one case: another level from one run on.

    Attributes:
        fullname: Full name of the benchmark.
        counter: Name of the counter that changed; empty for the seconds of an iteration.
        before: Level before the change.
        after: Level after the change.
        run: First run of the new level.
        previous: Last run of the old level; the cause lies between the commits of both runs.
        number: Number of `run` in the machine's history, from 1.
    """

    fullname: str
    counter: str
    before: float
    after: float
    run: Summary
    previous: Summary
    number: int


@dataclass(frozen=True)
class CommonChange:
    """Common change of many cases from one run on: the machine, or code that all of them use.

    Attributes:
        ratio: Ratio of the level after the change to the level before it, the median of all cases.
        cases: Names of the cases that changed with it.
        judged: Number of cases with runs before and after.
        run: First run of the new level.
        previous: The run before it.
        number: Number of `run` in the machine's history, from 1.
    """

    ratio: float
    cases: list[str]
    judged: int
    run: Summary
    previous: Summary
    number: int


@dataclass(frozen=True)
class Trend:
    """Changes in a machine's history.

    Attributes:
        runs: The history, oldest first.
        alpha: Chance of any false change among `shared` and `moved`.
        shared: Common changes of most cases, by run.
        moved: Changes of the seconds of single cases in addition to `shared`, by run.
        counters: Changes of counters, by run.
        still: Unchanged cases: those whose seconds have no change of their own.
        short: Cases with fewer than `change_points.FEWEST_VALUES` runs: too few to judge.
    """

    runs: list[Summary]
    alpha: float
    shared: list[CommonChange]
    moved: list[Change]
    counters: list[Change]
    still: list[str]
    short: list[str]


@dataclass(frozen=True)
class _Series:
    """Seconds of a case over a history.

    Attributes:
        places: (n,), places of the runs that have the case.
        logs: (n,), logs of its seconds, the mean over the processes of a run.
        noise: Variance of a value, estimated between the processes of a run; 0 if every run has one
            process.
    """

    places: NDArray[np.intp]
    logs: Array
    noise: float

    def over(self, runs: int) -> Array:
        """Logs by run: (runs,), NaN for a run without the case."""
        values = np.full(runs, np.nan)
        values[self.places] = self.logs
        return values


def trend(runs: Iterable[Summary], alpha: float = ALPHA) -> Trend:
    """Changes of the cases of a history.

    A change that most of at least `change_points.FEWEST_CASES` cases share is the machine's, and is
    subtracted from every case.

    Args:
        runs: runs of one machine.
        alpha: the chance of any false change in the history, in (0, 1).
    """
    ordered = sorted(runs, key=lambda run: (run.time, run.path.name))
    cases = by_case(ordered)
    timed = {name: _series(measured) for name, measured in cases.items()}
    long = {name: series for name, series in timed.items() if len(series.logs) >= FEWEST_VALUES}
    alpha_per_series = 1 - (1 - alpha) ** (1 / (len(long) + 1))
    shared = np.zeros(len(ordered))
    if len(long) >= FEWEST_CASES:
        shared = shared_movement([series.over(len(ordered)) for series in long.values()])
    moved = [
        change
        for name, series in long.items()
        for change in _changes(name, series, shared, ordered, alpha_per_series)
    ]
    counted = [
        change
        for name, measured in cases.items()
        for change in _counter_changes(name, measured, ordered)
    ]
    return Trend(
        runs=ordered,
        alpha=alpha,
        shared=list(_common_changes(long, shared, ordered, alpha_per_series)),
        moved=sorted(moved, key=lambda change: change.number),
        counters=sorted(counted, key=lambda change: change.number),
        still=[name for name in long if name not in {change.fullname for change in moved}],
        short=[name for name in timed if name not in long],
    )


def _series(measured: Measured) -> _Series:
    timed = [(place, logs) for place, case in measured if (logs := _logs(case))]
    errors = [_error(logs) for _, logs in timed if len(logs) > 1]
    return _Series(
        np.array([place for place, _ in timed], np.intp),
        np.array([fmean(logs) for _, logs in timed]),
        fmean(errors) if errors else 0,
    )


def _error(logs: list[float]) -> float:
    """Squared standard error of the mean; `statistics.variance` is 20 times as slow."""
    count, mean = len(logs), fmean(logs)
    return sum((log - mean) ** 2 for log in logs) / (count - 1) / count


def _logs(case: Case) -> list[float]:
    """Logs of the process medians that are above 0."""
    return [math.log(seconds) for seconds in case.medians_s if seconds > 0]


def _changes(
    name: str, series: _Series, shared: Array, runs: Sequence[Summary], alpha: float
) -> Iterator[Change]:
    common = shared[series.places]
    for point in change_points(series.logs - common, alpha, series.noise):
        # A case that stayed at its level while all others changed has not changed.
        if not _follows(series.logs, point):
            continue
        level = float(common[point.first : point.end].mean())
        place, previous = series.places[point.index], series.places[point.index - 1]
        before, after = math.exp(point.before + level), math.exp(point.after + level)
        yield Change(name, "", before, after, runs[place], runs[previous], int(place) + 1)


def _common_changes(
    cases: dict[str, _Series], shared: Array, runs: Sequence[Summary], alpha: float
) -> Iterator[CommonChange]:
    if not shared.any():
        return
    for point in change_points(shared, alpha):
        values = {name: series.over(len(runs)) for name, series in cases.items()}
        judged = [name for name in values if _is_known(values[name], point)]
        changed = [name for name in judged if _follows(values[name], point)]
        ratio, place = math.exp(point.after - point.before), point.index
        yield CommonChange(ratio, changed, len(judged), runs[place], runs[place - 1], place + 1)


def _is_known(values: Array, point: ChangePoint) -> bool:
    """Whether a case has values before and after a change point."""
    known = ~np.isnan(values)
    return bool(known[point.first : point.index].any() and known[point.index : point.end].any())


def _follows(values: Array, point: ChangePoint) -> bool:
    """Whether a case shows at least the share `_FOLLOWS` of a change."""
    before, after = values[point.first : point.index], values[point.index : point.end]
    change = np.nanmean(after) - np.nanmean(before)
    return bool(change / (point.after - point.before) >= _FOLLOWS)


def _counter_changes(name: str, measured: Measured, runs: Sequence[Summary]) -> Iterator[Change]:
    last: dict[str, tuple[int, int]] = {}
    for place, case in measured:
        for counter, value in case.counters.items():
            previous, before = last.get(counter, (place, value))
            if value != before:
                yield Change(name, counter, before, value, runs[place], runs[previous], place + 1)
            last[counter] = place, value
