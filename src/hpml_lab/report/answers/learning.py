"""C6, C7: optimizers, and batch norm or none: time, loss and accuracy by epoch, over the seeds."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from hpml_lab.history.cases import alike, lab_cases, measured
from hpml_lab.history.run import Run
from hpml_lab.measure.record import Measurement
from hpml_lab.report.answers.answer import Answer, differ, first_of, plus_minus, setting
from hpml_lab.units import ratio

_COLUMNS = ["epoch s", "loss by epoch", "mean", "top-1 % by epoch", "mean"]
_ONE_SEED = (
    "One seed: cannot tell a gap of a few points from chance; more: --hpml-axis=seed=0,1,2,3,4."
)


@dataclass(frozen=True)
class _Setting:
    """One optimizer or network, its seeds beside each other."""

    name: str
    seeds: list[Measurement]

    @cached_property
    def epoch_s(self) -> list[float]:
        return [epoch.total_s for case in self.seeds for epoch in measured(case)]

    @property
    def seed_s(self) -> list[float]:
        """The median epoch of each seed."""
        return [statistics.median(e.total_s for e in measured(case)) for case in self.seeds]

    @cached_property
    def losses(self) -> list[list[float]]:
        return [[epoch.loss for epoch in case.epochs] for case in self.seeds]

    @cached_property
    def top1(self) -> list[list[float]]:
        return [[100 * epoch.accuracy for epoch in case.epochs] for case in self.seeds]

    @cached_property
    def reached(self) -> list[float]:
        """Percent in the last epoch, by seed."""
        return [epochs[-1] for epochs in self.top1]

    @property
    def words(self) -> str:
        return f"{self.name} {_over_seeds(self.reached, 1)} %"

    @property
    def row(self) -> list[str]:
        cells = [self.name, plus_minus(self.epoch_s)]
        for values, digits, shown in ((self.losses, 3, 2), (self.top1, 1, 1)):
            by_epoch = map(statistics.fmean, zip(*values, strict=True))
            cells.append(" ".join(f"{value:.{shown}f}" for value in by_epoch))
            cells.append(_over_seeds(list(map(statistics.fmean, values)), digits))
        return cells


def answers(run: Run) -> list[Answer]:
    """Returns the answers to C6 and C7 for each device and setting in the run."""
    return [
        *map(_c6, alike(lab_cases(run, "optimizers"), "optimizer", "seed")),
        *map(_c7, alike(lab_cases(run, "batch_norm"), "batch_norm", "seed")),
    ]


def _over_seeds(values: list[float], digits: int) -> str:
    return plus_minus(values, digits) if len(values) > 1 else f"{values[0]:.{digits}f}"


def _settings(cases: list[Measurement], axis: str, names: dict[object, str]) -> list[_Setting]:
    by_value: dict[object, list[Measurement]] = {}
    for case in cases:
        by_value.setdefault(case.case[axis], []).append(case)
    return [_Setting(names.get(value, str(value)), seeds) for value, seeds in by_value.items()]


def _c6(cases: list[Measurement]) -> Answer:
    settings = _settings(cases, "optimizer", {})
    ranked = sorted(settings, key=lambda of: -statistics.fmean(of.reached))
    order = ", ".join(of.words for of in ranked)
    return Answer(
        "C6",
        "Five optimizers at one learning rate",
        setting(cases[0], "optimizer"),
        ["optimizer", *_COLUMNS],
        [of.row for of in settings],
        [
            f"Top-1 after epoch {len(cases[0].epochs)}: {order}.",
            f"Fastest epoch: {first_of({of.name: of.seed_s for of in settings})}.",
            *_told_apart(ranked),
        ],
    )


def _told_apart(ranked: Sequence[_Setting]) -> list[str]:
    """Returns which neighbours in an order seeds cannot tell apart."""
    fewest = min(len(of.seeds) for of in ranked)
    if fewest < 2:
        return [_ONE_SEED]
    pairs = [(a, b) for a, b in pairwise(ranked) if not differ(a.reached, b.reached)]
    ties = ", ".join(f"{a.name} and {b.name}" for a, b in pairs)
    told = f"within the spread: {ties}" if ties else "each is clear of the next"
    return [f"Over {fewest} seeds (± is their standard deviation) {told}."]


def _c7(cases: list[Measurement]) -> Answer:
    settings = _settings(cases, "batch_norm", {True: "batch norm", False: "none"})
    settings.sort(key=lambda of: of.name)
    return Answer(
        "C7",
        "Batch norm against none",
        setting(cases[0]),
        ["network", *_COLUMNS],
        [of.row for of in settings],
        _c7_words(settings),
    )


def _c7_words(settings: list[_Setting]) -> list[str]:
    if len(settings) < 2:
        return []
    norm, none = settings
    times = statistics.fmean(none.epoch_s) / statistics.fmean(norm.epoch_s)
    ranked = sorted(settings, key=lambda of: -statistics.fmean(of.reached))
    return [
        f"Without batch norm an epoch takes {ratio(times)} the time of one with it.",
        f"Top-1 after epoch {len(norm.seeds[0].epochs)}: {', '.join(of.words for of in ranked)}.",
        *_told_apart(ranked),
    ]
