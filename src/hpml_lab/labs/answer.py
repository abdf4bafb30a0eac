"""The answer to a lab item, and statistics that several items share."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hpml_lab.errors import RunFileError
from hpml_lab.runs.cases import measured
from hpml_lab.runs.schema import Measurement, Parts, Value
from hpml_lab.stats.fastest import FEWEST, fastest

_CIFAR_SIDE = 32
# In standard deviations of the difference between two runs. With three seeds each, chance alone
# exceeds it in 3 to 7 of 100 pairs.
_CLEAR = 2


@dataclass(frozen=True)
class Brief:
    """An answer in one line of a summary.

    Attributes:
        text: the answer, or what the data cannot tell.
        settle: what would settle it; empty where the answer is sure.
    """

    text: str
    settle: str = ""

    @property
    def is_sure(self) -> bool:
        """Whether the answer is exact, or told by the data."""
        return not self.settle


@dataclass(frozen=True)
class Answer:
    """A saved run's answer to one lab item.

    Attributes:
        item: the lab's name of the item, such as ``C3``; empty if no lab asks for it.
        title: the question, in short.
        setting: the settings that all rows share.
        columns: headings of the table.
        rows: cells of the table, as text.
        sentences: the answer in words.
        brief: the answer in one line; None for a table that only supports another answer.
    """

    item: str
    title: str
    setting: str
    columns: list[str]
    rows: list[list[str]]
    sentences: list[str] = field(default_factory=list)
    brief: Brief | None = None


@contextmanager
def records_fit() -> Iterator[None]:
    """Context in which all errors from damaged records become a `RunFileError`.

    Raises:
        RunFileError: if the records cannot be those of a measurement.
    """
    try:
        yield
    except RunFileError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise RunFileError(f"the run's records do not fit together: {error!r}") from error


def setting(case: Measurement, *axes: str) -> str:
    """Returns the settings of a case in words, without the named axes."""
    fields = case.case
    images = fields.get("images") or "all"
    words = {
        "device": f"{fields.get('device')}",
        "network": _network(fields),
        "images": f"{images} {fields.get('source')} images",
        "batch_size": f"batch {fields.get('batch_size')}",
        "workers": f"{fields.get('workers')} workers",
        "optimizer": f"{fields.get('optimizer')} with {fields.get('optimizer_settings')} settings",
    }
    return ", ".join(text for name, text in words.items() if name not in axes)


def _network(fields: dict[str, Value]) -> str:
    cifar = fields.get("network") == "resnet18-cifar"
    width = f" of width {fields.get('width')}" if cifar else ""
    known = "image" not in fields or (cifar and fields["image"] == _CIFAR_SIDE)
    side = "" if known else f" at {fields['image']} px"
    return f"{fields.get('network')}{width}{side}"


def measured_parts(case: Measurement) -> list[Parts]:
    """Returns the parts of the measured epochs; empty if they were not timed separately."""
    return [epoch.parts for epoch in measured(case) if epoch.parts is not None]


def deviation(values: list[float]) -> float:
    """Returns the sample standard deviation; 0 for a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def plus_minus(values: list[float], digits: int = 3) -> str:
    """Returns mean and sample standard deviation, as in ``1.234 ± 0.012``."""
    return f"{statistics.fmean(values):.{digits}f} ± {deviation(values):.{digits}f}"


def differ(first: list[float], second: list[float]) -> bool:
    """Whether two means differ by more than the noise of the seeds; False for a single seed."""
    if min(len(first), len(second)) < 2:
        return False
    noise = math.hypot(deviation(first), deviation(second))
    return abs(statistics.fmean(first) - statistics.fmean(second)) > _CLEAR * noise


def best_count(seconds: dict[int, list[float]]) -> int:
    """Returns the count whose seconds have the smallest mean."""
    return min(seconds, key=lambda n: statistics.fmean(seconds[n]))


def process_seconds(case: Measurement) -> list[float]:
    """Returns the median seconds of a round, for each process that measured the case."""
    return [statistics.median(rounds) for rounds in case.processes if rounds]


def brief_of(seconds: Mapping[Any, Sequence[float]], words: str = "{}") -> Brief:
    """Returns the fastest case as a line of a summary.

    Args:
        seconds: as in `first_of`.
        words: format of the answer around the name of the fastest case.
    """
    if len(seconds) < 2:
        return Brief(f"only {next(iter(seconds))} was measured", "a second case to compare with")
    result = fastest(seconds)
    if result.is_told:
        return Brief(words.format(result.best))
    return Brief(f"cannot tell {result.best} from {_listed(result.alike)}", more_processes(seconds))


def more_processes(seconds: Mapping[Any, Sequence[float]]) -> str:
    """Returns what would settle an order of cases that their processes do not tell."""
    return "3 processes" if min(map(len, seconds.values())) < FEWEST else "more processes"


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names))


def first_of(seconds: Mapping[Any, Sequence[float]]) -> str:
    """Returns the fastest case in words, or the cases among which it is undecided."""
    result = fastest(seconds)
    if result.is_told:
        return str(result.best)
    one = " in one process" if min(map(len, seconds.values())) < FEWEST else ""
    return f"cannot tell {result.best} from {_listed(result.alike)}{one}"
