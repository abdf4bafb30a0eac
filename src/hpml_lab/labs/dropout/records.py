"""Records of the dropout lab in a run: its linear model, its label pixels, and least squares.

The lab has one row (10, 1) of target 11; p is the drop probability. Without dropout the least
squares weights of least norm are 11 (10, 1) / 101, with it 10 w1 = w2 = 11 (1 - p) / (2 - p).
"""

import math
import statistics
from dataclasses import dataclass

from hpml_lab.runs.cases import alike
from hpml_lab.runs.schema import Learning, Measurement, Run, Value

HALF, LARGE = 0.5, 1024
WEIGHTS = ("w1", "w2")
SHORTEST = (110 / 101, 11 / 101)
MARKED, CLEAN = "accuracy_with_label_pixels", "accuracy_clean"


@dataclass(frozen=True)
class Trained:
    """One trained ensemble of the lab.

    Attributes:
        measurement: the record of the case.
        learning: the saved values; points are steps, or the drop probabilities of a sweep.
    """

    measurement: Measurement
    learning: Learning

    @property
    def last(self) -> float:
        """The last saved point."""
        return self.learning.points[-1]

    def at(self, name: str, point: float) -> list[float]:
        """Returns the values of a metric of all members at a point."""
        index = self.learning.points.index(point)
        return [values[index] for values in self.learning.metrics[name]]

    def mean(self, name: str, point: float) -> float:
        """Returns the mean of a metric over the members at a point."""
        return statistics.fmean(self.at(name, point))


@dataclass(frozen=True)
class Lab:
    """All parts of the lab that a run measured on one device."""

    device: str
    parts: list[Trained]

    def find(self, method: str, **settings: Value) -> Trained | None:
        """Returns the part with these settings; None if it was not run."""
        asked = {"method": method, **settings}.items()
        return next((part for part in self.parts if asked <= part.measurement.case.items()), None)


def labs(run: Run) -> list[Lab]:
    """Returns the parts of the linear model in a run, by device."""
    by_device: dict[str, list[Trained]] = {}
    for part in _parts(run, "dropout"):
        by_device.setdefault(str(part.measurement.case["device"]), []).append(part)
    return [Lab(device, parts) for device, parts in by_device.items()]


def shortcuts(run: Run) -> list[list[Trained]]:
    """Returns the networks with label pixels, in groups that are equal but for their dropout."""
    by_case = {id(part.measurement): part for part in _parts(run, "shortcuts")}
    groups = alike([part.measurement for part in by_case.values()], "drop")
    return [sorted((by_case[id(case)] for case in group), key=drop_of) for group in groups]


def drop_of(part: Trained) -> float:
    """Returns a part's drop probability."""
    return float(part.measurement.case["drop"] or 0)


def percents(part: Trained, name: str, point: float) -> list[float]:
    """Returns the accuracies of all members at a point, in percent."""
    return [100 * share for share in part.at(name, point)]


def lost(part: Trained) -> list[float]:
    """Returns each network's final loss of accuracy without the label pixels, in points."""
    marked, clean = (percents(part, name, part.last) for name in (MARKED, CLEAN))
    return [m - c for m, c in zip(marked, clean, strict=True)]


def _parts(run: Run, group: str) -> list[Trained]:
    return [
        Trained(case, case.learning)
        for benchmark in run.benchmarks
        if benchmark.group == group and (case := benchmark.measurement) is not None
        if case.case.get("lab") == "dropout" and case.learning is not None
    ]


def minimiser(drop: float) -> tuple[float, float]:
    """Returns the least squares weights: unique with dropout, those of least norm without."""
    if drop == 0:
        return SHORTEST
    part = 11 * (1 - drop) / (2 - drop)
    return part / 10, part


def errors(part: Trained, expected: Trained, index: int, step: float) -> float:
    """Returns the deviation of a weight's mean from its exact mean, in standard errors.

    Args:
        part: an ensemble.
        expected: the exact mean and standard deviation of one member.
        index: index of the weight.
        step: the step.
    """
    values = part.at(WEIGHTS[index], step)
    deviation = expected.mean(f"deviation{index + 1}", step) / math.sqrt(len(values))
    return (statistics.fmean(values) - expected.mean(WEIGHTS[index], step)) / deviation
