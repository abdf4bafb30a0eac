"""When the cases of one machine's history moved: seconds by their noise, counters exactly."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from hpml_lab.history.summary import Case, Summary
from hpml_lab.verdict.steps import FEWEST_VALUES, steps

ALPHA = 0.01

Measured = list[tuple[int, Case]]  # the places of the runs that have a case, with what they found


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
class Trend:
    """What a machine's history shows.

    Attributes:
        runs: the history, oldest first.
        alpha: the chance of any false move among `moved`.
        moved: changes of seconds, by run.
        counters: changes of counters, by run.
        still: the cases whose seconds did not move.
        short: the cases with fewer than `steps.FEWEST_VALUES` runs: of these nothing can be said.
    """

    runs: list[Summary]
    alpha: float
    moved: list[Move]
    counters: list[Move]
    still: list[str]
    short: list[str]


def trend(runs: Iterable[Summary], alpha: float = ALPHA) -> Trend:
    """Returns when the cases of a history moved.

    Args:
        runs: of one machine.
        alpha: the chance of any false move in the history, in (0, 1).
    """
    ordered = sorted(runs, key=lambda run: (run.time, run.path.name))
    cases = _by_case(ordered)
    found = Trend(ordered, alpha, [], [], [], [])
    each = 1 - (1 - alpha) ** (1 / max(len(cases), 1))
    for name, measured in cases.items():
        found.counters.extend(_counter_moves(name, measured, ordered))
        timed = [(place, logs) for place, case in measured if (logs := _logs(case))]
        if len(timed) < FEWEST_VALUES:
            found.short.append(name)
            continue
        moves = list(_moves(name, timed, ordered, each))
        found.moved.extend(moves)
        if not moves:
            found.still.append(name)
    for moves in (found.moved, found.counters):
        moves.sort(key=lambda move: move.number)
    return found


def _by_case(runs: Sequence[Summary]) -> dict[str, Measured]:
    cases: dict[str, Measured] = {}
    for place, run in enumerate(runs):
        for name, case in run.cases.items():
            cases.setdefault(name, []).append((place, case))
    return cases


def _logs(case: Case) -> list[float]:
    """Returns the logs of the process medians; none of a clock that stood still."""
    return [math.log(seconds) for seconds in case.medians_s if seconds > 0]


def _moves(
    name: str, timed: list[tuple[int, list[float]]], runs: Sequence[Summary], alpha: float
) -> Iterator[Move]:
    errors = [variance(logs) / len(logs) for _, logs in timed if len(logs) > 1]
    values = [fmean(logs) for _, logs in timed]
    for step in steps(values, alpha, fmean(errors) if errors else 0):
        place, previous = timed[step.index][0], timed[step.index - 1][0]
        levels = math.exp(step.before), math.exp(step.after)
        yield Move(name, "", *levels, runs[place], runs[previous], place + 1)


def _counter_moves(name: str, measured: Measured, runs: Sequence[Summary]) -> Iterator[Move]:
    last: dict[str, tuple[int, int]] = {}
    for place, case in measured:
        for counter, value in case.counters.items():
            previous, before = last.get(counter, (place, value))
            if value != before:
                yield Move(name, counter, before, value, runs[place], runs[previous], place + 1)
            last[counter] = place, value
