"""The cases of a saved run: chosen, put beside their likes, and how long they took."""

import statistics
from collections.abc import Iterable

from hpml_lab.history.run import Run
from hpml_lab.measure.epochs import Epoch
from hpml_lab.measure.record import Measurement, Value


def lab_cases(
    run: Run, group: str, *, epochs: bool = True, counters: Iterable[str] = ()
) -> list[Measurement]:
    """Returns the lab's cases of one group; a user's own group of that name has other records.

    Args:
        run: the saved run.
        group: the benchmarks' group.
        epochs: whether only cases with measured epochs count.
        counters: what a case must have counted.
    """
    return [
        case
        for benchmark in run.benchmarks
        if benchmark.group == group and (case := benchmark.measurement) is not None
        if "network" in case.case and set(counters) <= case.counters.keys()
        if measured(case) or not epochs
    ]


def alike(cases: Iterable[Measurement], *axes: str) -> list[list[Measurement]]:
    """Returns the cases in groups that differ in the named axes alone."""
    groups: dict[frozenset[tuple[str, Value]], list[Measurement]] = {}
    for case in cases:
        rest = frozenset(pair for pair in case.case.items() if pair[0] not in axes)
        groups.setdefault(rest, []).append(case)
    return list(groups.values())


def typical_s(case: Measurement) -> float:
    """Returns seconds of an iteration: the median over processes of the median over rounds."""
    return statistics.median(statistics.median(rounds) for rounds in case.processes if rounds)


def measured(case: Measurement) -> list[Epoch]:
    """Returns the epochs behind the warm-up."""
    return [epoch for epoch in case.epochs if not epoch.warm_up]
