"""Cases of a saved run: selection, grouping, and typical time."""

import statistics
from collections.abc import Iterable

from hpml_lab.runs.schema import Epoch, Measurement, Run, Value


def lab_cases(
    run: Run, group: str, *, epochs: bool = True, counters: Iterable[str] = ()
) -> list[Measurement]:
    """The lab's cases of one group; a user's own group of that name has other records.

    Args:
        run: the saved run.
        group: group of the benchmarks.
        epochs: whether only cases with measured epochs count.
        counters: names of the counters that a case must have.
    """
    return [
        case
        for benchmark in run.benchmarks
        if benchmark.group == group and (case := benchmark.measurement) is not None
        if "network" in case.case and set(counters) <= case.counters.keys()
        if measured(case) or not epochs
    ]


def alike(cases: Iterable[Measurement], *axes: str) -> list[list[Measurement]]:
    """Groups of cases that are equal but for the named axes.

    The shapes of a batch follow from its size, so they differ where ``batch_size`` may.
    """
    if "batch_size" in axes:
        axes = (*axes, "batch")
    groups: dict[frozenset[tuple[str, Value]], list[Measurement]] = {}
    for case in cases:
        rest = frozenset(pair for pair in case.case.items() if pair[0] not in axes)
        groups.setdefault(rest, []).append(case)
    return list(groups.values())


def typical_s(case: Measurement) -> float:
    """Seconds of an iteration: the median over processes of the median over rounds."""
    return statistics.median(statistics.median(rounds) for rounds in case.processes if rounds)


def measured(case: Measurement) -> list[Epoch]:
    """Epochs after the warm-up."""
    return [epoch for epoch in case.epochs if not epoch.warm_up]
