"""What a run holds of the dropout lab: its linear model, what least squares says, its shortcut.

The lab has one row (10, 1) of target 11; p is the drop probability. Without dropout the weights of
least squares nearest to zero are 11 (10, 1) / 101, with it 10 w1 = w2 = 11 (1 - p) / (2 - p).
"""

import math
import statistics
from dataclasses import dataclass

from hpml_lab.history.cases import alike
from hpml_lab.history.run import Run
from hpml_lab.measure.record import Learning, Measurement, Value

HALF, LARGE = 0.5, 1024
WEIGHTS = ("w1", "w2")
SHORTEST = (110 / 101, 11 / 101)
MARKED, CLEAN = "accuracy_with_label_pixels", "accuracy_clean"


@dataclass(frozen=True)
class Part:
    """One ensemble of the lab.

    Attributes:
        of: its record.
        learnt: its values; points are steps, or the drop probabilities of a sweep.
    """

    of: Measurement
    learnt: Learning

    @property
    def last(self) -> float:
        """The last point."""
        return self.learnt.points[-1]

    def at(self, name: str, point: float) -> list[float]:
        """Returns a value of all members at a point."""
        index = self.learnt.points.index(point)
        return [values[index] for values in self.learnt.metrics[name]]

    def mean(self, name: str, point: float) -> float:
        """Returns its mean over the members."""
        return statistics.fmean(self.at(name, point))


@dataclass(frozen=True)
class Lab:
    """What a run measured of the lab on one device."""

    device: str
    parts: list[Part]

    def find(self, method: str, **settings: Value) -> Part | None:
        """Returns the part with these settings; None if it was not run."""
        asked = {"method": method, **settings}.items()
        return next((part for part in self.parts if asked <= part.of.case.items()), None)


def labs(run: Run) -> list[Lab]:
    """Returns the parts of the linear model that a run holds, by device."""
    by_device: dict[str, list[Part]] = {}
    for part in _parts(run, "dropout"):
        by_device.setdefault(str(part.of.case["device"]), []).append(part)
    return [Lab(device, parts) for device, parts in by_device.items()]


def shortcuts(run: Run) -> list[list[Part]]:
    """Returns the networks with label pixels, in groups that differ in their dropout alone."""
    by_case = {id(part.of): part for part in _parts(run, "shortcuts")}
    groups = alike([part.of for part in by_case.values()], "drop")
    return [sorted((by_case[id(of)] for of in group), key=drop_of) for group in groups]


def drop_of(part: Part) -> float:
    """Returns a part's drop probability."""
    return float(part.of.case["drop"] or 0)


def percents(part: Part, name: str, point: float) -> list[float]:
    """Returns an accuracy of all members in percent."""
    return [100 * share for share in part.at(name, point)]


def lost(part: Part) -> list[float]:
    """Returns the points that each network loses at the end without the label pixels."""
    marked, clean = (percents(part, name, part.last) for name in (MARKED, CLEAN))
    return [m - c for m, c in zip(marked, clean, strict=True)]


def _parts(run: Run, group: str) -> list[Part]:
    return [
        Part(of, of.learning)
        for benchmark in run.benchmarks
        if benchmark.group == group and (of := benchmark.measurement) is not None
        if of.case.get("lab") == "dropout" and of.learning is not None
    ]


def minimiser(drop: float) -> tuple[float, float]:
    """Returns the weights of least squares: the only ones with dropout, the shortest without."""
    if drop == 0:
        return SHORTEST
    part = 11 * (1 - drop) / (2 - drop)
    return part / 10, part


def errors(part: Part, expected: Part, index: int, step: float) -> float:
    """Returns how far the mean of a weight is from the expected one, in its standard errors.

    Args:
        part: an ensemble.
        expected: the exact mean and deviation of one member.
        index: of the weight.
        step: where.
    """
    values = part.at(WEIGHTS[index], step)
    deviation = expected.mean(f"deviation{index + 1}", step) / math.sqrt(len(values))
    return (statistics.fmean(values) - expected.mean(WEIGHTS[index], step)) / deviation
