"""When the cases of one machine's history moved: seconds by their noise, counters exactly."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from hpml_lab.history.lineage import Measured, by_case
from hpml_lab.history.summary import Case, Summary
from hpml_lab.verdict.shared import FEWEST_CASES, shared_movement
from hpml_lab.verdict.steps import FEWEST_VALUES, Step, steps

ALPHA = 0.01
_FOLLOWS = 0.5  # of a movement; a case that made less of it did not make it

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Move:
    """A case that has another level from one run on.

    Attributes:
        fullname: of the benchmark.
        counter: the name of the counter that moved; empty for the seconds of an iteration.
        before: the level until then.
        after: the level from then on.
        run: the first run of the new level.
        previous: the last run of the old level; what moved the case lies between their commits.
        number: of `run` in the machine's history, counted from 1.
    """

    fullname: str
    counter: str
    before: float
    after: float
    run: Summary
    previous: Summary
    number: int


@dataclass(frozen=True)
class SharedMove:
    """Many cases that have another level from one run on: the machine, or what all of them use.

    Attributes:
        ratio: of the level from then on to the level until then, the median of all cases.
        cases: the names of those that moved with it.
        judged: how many cases have runs before and after.
        run: the first run of the new level.
        previous: the run before it.
        number: of `run` in the machine's history, counted from 1.
    """

    ratio: float
    cases: list[str]
    judged: int
    run: Summary
    previous: Summary
    number: int


@dataclass(frozen=True)
class Trend:
    """What a machine's history shows.

    Attributes:
        runs: the history, oldest first.
        alpha: the chance of any false move among `shared` and `moved`.
        shared: movements of most cases, by run; `moved` is what cases did beside them.
        moved: changes of seconds, by run.
        counters: changes of counters, by run.
        still: the cases whose seconds did not move on their own.
        short: the cases with fewer than `steps.FEWEST_VALUES` runs: of these nothing can be said.
    """

    runs: list[Summary]
    alpha: float
    shared: list[SharedMove]
    moved: list[Move]
    counters: list[Move]
    still: list[str]
    short: list[str]


@dataclass(frozen=True)
class _Series:
    """The seconds of a case over a history.

    Attributes:
        places: (n,), the places of the runs that have it.
        logs: (n,), of its seconds, the mean of each run's processes.
        noise: the variance of a value that the processes of a run show; 0 if there is one each.
    """

    places: NDArray[np.intp]
    logs: Array
    noise: float

    def over(self, runs: int) -> Array:
        """Returns the logs by run: (runs,), NaN where there is none."""
        values = np.full(runs, np.nan)
        values[self.places] = self.logs
        return values


def trend(runs: Iterable[Summary], alpha: float = ALPHA) -> Trend:
    """Returns when the cases of a history moved.

    What most of at least `shared.FEWEST_CASES` cases do is the machine's, and is taken off each.

    Args:
        runs: of one machine.
        alpha: the chance of any false move in the history, in (0, 1).
    """
    ordered = sorted(runs, key=lambda run: (run.time, run.path.name))
    cases = by_case(ordered)
    timed = {name: _series(measured) for name, measured in cases.items()}
    long = {name: series for name, series in timed.items() if len(series.logs) >= FEWEST_VALUES}
    each = 1 - (1 - alpha) ** (1 / (len(long) + 1))
    shared = np.zeros(len(ordered))
    if len(long) >= FEWEST_CASES:
        shared = shared_movement([series.over(len(ordered)) for series in long.values()])
    moved = [
        move
        for name, series in long.items()
        for move in _moves(name, series, shared, ordered, each)
    ]
    counted = [
        move for name, found in cases.items() for move in _counter_moves(name, found, ordered)
    ]
    return Trend(
        runs=ordered,
        alpha=alpha,
        shared=list(_shared_moves(long, shared, ordered, each)),
        moved=sorted(moved, key=lambda move: move.number),
        counters=sorted(counted, key=lambda move: move.number),
        still=[name for name in long if name not in {move.fullname for move in moved}],
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
    """Returns a mean's squared standard error; `statistics.variance` is 20 times as slow."""
    count, mean = len(logs), fmean(logs)
    return sum((log - mean) ** 2 for log in logs) / (count - 1) / count


def _logs(case: Case) -> list[float]:
    """Returns the logs of the process medians; none of a clock that stood still."""
    return [math.log(seconds) for seconds in case.medians_s if seconds > 0]


def _moves(
    name: str, series: _Series, shared: Array, runs: Sequence[Summary], alpha: float
) -> Iterator[Move]:
    common = shared[series.places]
    for step in steps(series.logs - common, alpha, series.noise):
        # One that stood still while all others moved did not move.
        if not _follows(series.logs, step):
            continue
        level = float(common[step.first : step.end].mean())
        place, previous = series.places[step.index], series.places[step.index - 1]
        before, after = math.exp(step.before + level), math.exp(step.after + level)
        yield Move(name, "", before, after, runs[place], runs[previous], int(place) + 1)


def _shared_moves(
    cases: dict[str, _Series], shared: Array, runs: Sequence[Summary], alpha: float
) -> Iterator[SharedMove]:
    if not shared.any():
        return
    for step in steps(shared, alpha):
        values = {name: series.over(len(runs)) for name, series in cases.items()}
        judged = [name for name in values if _is_beside(values[name], step)]
        moved = [name for name in judged if _follows(values[name], step)]
        ratio, place = math.exp(step.after - step.before), step.index
        yield SharedMove(ratio, moved, len(judged), runs[place], runs[place - 1], place + 1)


def _is_beside(values: Array, step: Step) -> bool:
    known = ~np.isnan(values)
    return bool(known[step.first : step.index].any() and known[step.index : step.end].any())


def _follows(values: Array, step: Step) -> bool:
    before, after = values[step.first : step.index], values[step.index : step.end]
    change = np.nanmean(after) - np.nanmean(before)
    return bool(change / (step.after - step.before) >= _FOLLOWS)


def _counter_moves(name: str, measured: Measured, runs: Sequence[Summary]) -> Iterator[Move]:
    last: dict[str, tuple[int, int]] = {}
    for place, case in measured:
        for counter, value in case.counters.items():
            previous, before = last.get(counter, (place, value))
            if value != before:
                yield Move(name, counter, before, value, runs[place], runs[previous], place + 1)
            last[counter] = place, value
