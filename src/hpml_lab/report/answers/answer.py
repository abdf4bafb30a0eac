"""One lab item and its answer, and the sums that several items share."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from hpml_lab.history.run import Run
from hpml_lab.measure.epochs import Epoch, Parts
from hpml_lab.measure.record import Measurement, Value

_CIFAR_SIDE = 32


@dataclass(frozen=True)
class Answer:
    """What a saved run says to one lab item.

    Attributes:
        item: the lab's name for it, such as ``C3``; empty for what no lab asks.
        title: the question, short.
        setting: what all rows share.
        columns: headings of the table.
        rows: its cells, as text.
        sentences: the answer in words.
    """

    item: str
    title: str
    setting: str
    columns: list[str]
    rows: list[list[str]]
    sentences: list[str] = field(default_factory=list)


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


def setting(case: Measurement, *axes: str) -> str:
    """Returns what a case was, the named axes left out."""
    of = case.case
    images = of.get("images") or "all"
    words = {
        "device": f"{of.get('device')}",
        "network": _network(of),
        "images": f"{images} {of.get('source')} images",
        "batch_size": f"batch {of.get('batch_size')}",
        "workers": f"{of.get('workers')} workers",
        "optimizer": f"{of.get('optimizer')} with {of.get('optimizer_settings')} settings",
    }
    return ", ".join(text for name, text in words.items() if name not in axes)


def _network(of: dict[str, Value]) -> str:
    cifar = of.get("network") == "resnet18-cifar"
    width = f" of width {of.get('width')}" if cifar else ""
    known = "image" not in of or (cifar and of["image"] == _CIFAR_SIDE)
    side = "" if known else f" at {of['image']} px"
    return f"{of.get('network')}{width}{side}"


def typical_s(case: Measurement) -> float:
    """Returns seconds of an iteration: the median over processes of the median over rounds."""
    return statistics.median(statistics.median(rounds) for rounds in case.processes if rounds)


def measured(case: Measurement) -> list[Epoch]:
    """Returns the epochs behind the warm-up."""
    return [epoch for epoch in case.epochs if not epoch.warm_up]


def measured_parts(case: Measurement) -> list[Parts]:
    """Returns the parts of the measured epochs; empty where they were not told apart."""
    return [epoch.parts for epoch in measured(case) if epoch.parts is not None]


def deviation(values: list[float]) -> float:
    """Returns the sample standard deviation; 0 for a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def plus_minus(values: list[float], digits: int = 3) -> str:
    """Returns mean and sample standard deviation, as in ``1.234 ± 0.012``."""
    return f"{statistics.fmean(values):.{digits}f} ± {deviation(values):.{digits}f}"


def best_count(seconds: dict[int, list[float]]) -> int:
    """Returns the number whose seconds have the smallest mean."""
    return min(seconds, key=lambda n: statistics.fmean(seconds[n]))


def ties(seconds: dict[int, list[float]], best: int) -> str:
    """Returns the other numbers within one standard deviation of the best, in words."""
    limit = statistics.fmean(seconds[best]) + deviation(seconds[best])
    close = [str(n) for n in seconds if n != best and statistics.fmean(seconds[n]) <= limit]
    return f" (within one standard deviation: {', '.join(close)})" if close else ""
