"""One lab item and its answer, and the sums that several items share."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hpml_lab.errors import RunFileError
from hpml_lab.history.cases import measured
from hpml_lab.measure.epochs import Parts
from hpml_lab.measure.record import Measurement, Value
from hpml_lab.verdict.within import FEWEST, fastest

_CIFAR_SIDE = 32
# Two standard deviations of the difference between two runs: with three seeds each, chance alone
# exceeds that in 3 to 7 of 100 pairs.
_CLEAR = 2


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


@contextmanager
def records_fit() -> Iterator[None]:
    """Turns what damaged records raise into one error.

    Raises:
        RunFileError: if they cannot be those of a measurement.
    """
    try:
        yield
    except RunFileError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise RunFileError(f"the run's records do not fit together: {error!r}") from error


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


def measured_parts(case: Measurement) -> list[Parts]:
    """Returns the parts of the measured epochs; empty where they were not told apart."""
    return [epoch.parts for epoch in measured(case) if epoch.parts is not None]


def deviation(values: list[float]) -> float:
    """Returns the sample standard deviation; 0 for a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def plus_minus(values: list[float], digits: int = 3) -> str:
    """Returns mean and sample standard deviation, as in ``1.234 ± 0.012``."""
    return f"{statistics.fmean(values):.{digits}f} ± {deviation(values):.{digits}f}"


def differ(one: list[float], other: list[float]) -> bool:
    """Returns whether two means are apart by more than seeds are; a single one cannot tell."""
    if min(len(one), len(other)) < 2:
        return False
    spread = math.hypot(deviation(one), deviation(other))
    return abs(statistics.fmean(one) - statistics.fmean(other)) > _CLEAR * spread


def best_count(seconds: dict[int, list[float]]) -> int:
    """Returns the number whose seconds have the smallest mean."""
    return min(seconds, key=lambda n: statistics.fmean(seconds[n]))


def process_seconds(case: Measurement) -> list[float]:
    """Returns a case's median round in each process that measured it."""
    return [statistics.median(rounds) for rounds in case.processes if rounds]


def first_of(seconds: Mapping[Any, Sequence[float]]) -> str:
    """Returns the fastest case in words, or that it cannot be told and from which others."""
    found = fastest(seconds)
    if found.is_told:
        return str(found.best)
    one = " in one process" if min(map(len, seconds.values())) < FEWEST else ""
    return f"cannot tell {found.best} from {', '.join(map(str, found.alike))}{one}"
