"""Comparison of trainings along one axis: time, loss and accuracy by epoch, over the seeds."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from hpml_lab.labs.answer import Brief, differ, plus_minus
from hpml_lab.runs.cases import measured
from hpml_lab.runs.schema import Measurement

# Where two cores learn: as many images as tell optimizers apart, in batches made at once, and
# seeds of which each costs seconds. Elsewhere the lab's own pipeline and one seed.
QUICK: dict[str, Any] = {"images": 2048, "pipeline": "batched", "workers": 0}
SEEDS = {"quick": [0, 1, 2], "short": [0], "full": [0]}

COLUMNS = ["epoch s", "loss by epoch", "mean", "top-1 % by epoch", "mean"]
_ONE_SEED = (
    "One seed: cannot tell a gap of a few points from chance; more: --hpml-axis=seed=0,1,2,3,4."
)


@dataclass(frozen=True)
class Setting:
    """One optimizer or network, with a case for each seed."""

    name: str
    seeds: list[Measurement]

    @cached_property
    def epoch_s(self) -> list[float]:
        """Seconds of every measured epoch."""
        return [epoch.total_s for case in self.seeds for epoch in measured(case)]

    @property
    def seed_s(self) -> list[float]:
        """Median seconds of an epoch, for each seed."""
        return [statistics.median(e.total_s for e in measured(case)) for case in self.seeds]

    @cached_property
    def losses(self) -> list[list[float]]:
        """Training loss, by seed and epoch."""
        return [[epoch.loss for epoch in case.epochs] for case in self.seeds]

    @cached_property
    def top1(self) -> list[list[float]]:
        """Top-1 accuracy in percent, by seed and epoch."""
        return [[100 * epoch.accuracy for epoch in case.epochs] for case in self.seeds]

    @cached_property
    def reached(self) -> list[float]:
        """Top-1 accuracy in percent after the last epoch, by seed."""
        return [epochs[-1] for epochs in self.top1]

    @property
    def words(self) -> str:
        """Name and final accuracy of the setting."""
        return f"{self.name} {_over_seeds(self.reached, 1)} %"

    @property
    def row(self) -> list[str]:
        """Cells of the setting's row, under its name and `COLUMNS`."""
        cells = [self.name, plus_minus(self.epoch_s)]
        for values, digits, shown in ((self.losses, 3, 2), (self.top1, 1, 1)):
            by_epoch = map(statistics.fmean, zip(*values, strict=True))
            cells.append(" ".join(f"{value:.{shown}f}" for value in by_epoch))
            cells.append(_over_seeds(list(map(statistics.fmean, values)), digits))
        return cells


def _over_seeds(values: list[float], digits: int) -> str:
    return plus_minus(values, digits) if len(values) > 1 else f"{values[0]:.{digits}f}"


def by_setting(cases: list[Measurement], axis: str, names: dict[object, str]) -> list[Setting]:
    """Returns the cases grouped by the value of an axis.

    Args:
        cases: equal but for the axis and the seed.
        axis: name of the axis, such as ``optimizer``.
        names: names of values; a value without one is its own name.
    """
    by_value: dict[object, list[Measurement]] = {}
    for case in cases:
        by_value.setdefault(case.case[axis], []).append(case)
    return [Setting(names.get(value, str(value)), seeds) for value, seeds in by_value.items()]


def most_accurate(ranked: Sequence[Setting]) -> Brief:
    """Returns the first of a ranking by accuracy, or those from which it cannot be told."""
    best, *others = ranked
    if min(len(setting.seeds) for setting in ranked) < 2:
        return Brief(f"{best.words} in one seed", "--hpml-axis=seed=0,1,2,3,4")
    ties = [other.name for other in others if not differ(best.reached, other.reached)]
    if ties:
        return Brief(f"cannot tell {best.words} from {', '.join(ties)}", "more seeds")
    return Brief(", ".join(setting.words for setting in ranked[:2]))


def significance(ranked: Sequence[Setting]) -> list[str]:
    """Returns a sentence on which neighbours in a ranking do not differ significantly."""
    fewest = min(len(setting.seeds) for setting in ranked)
    if fewest < 2:
        return [_ONE_SEED]
    pairs = [(a, b) for a, b in pairwise(ranked) if not differ(a.reached, b.reached)]
    ties = ", ".join(f"{a.name} and {b.name}" for a, b in pairs)
    result = f"within the spread: {ties}" if ties else "each is clear of the next"
    return [f"Over {fewest} seeds (± is their standard deviation) {result}."]
