"""C6, C7: optimizers, and batch norm or none: time, loss and accuracy by epoch."""

import statistics

from hpml_lab.history.cases import alike, lab_cases, measured
from hpml_lab.history.run import Run
from hpml_lab.measure.record import Measurement
from hpml_lab.report.answers.answer import Answer, plus_minus, setting
from hpml_lab.units import percent, ratio

_COLUMNS = ["epoch s", "loss by epoch", "mean", "top-1 % by epoch", "mean"]


def answers(run: Run) -> list[Answer]:
    """Returns the answers to C6 and C7 for each device and setting in the run."""
    return [
        *map(_c6, alike(lab_cases(run, "optimizers"), "optimizer")),
        *map(_c7, alike(lab_cases(run, "batch_norm"), "batch_norm")),
    ]


def _row(name: str, case: Measurement) -> list[str]:
    losses = [epoch.loss for epoch in case.epochs]
    hits = [100 * epoch.accuracy for epoch in case.epochs]
    return [
        name,
        plus_minus([epoch.total_s for epoch in measured(case)]),
        " ".join(f"{loss:.2f}" for loss in losses),
        f"{statistics.fmean(losses):.3f}",
        " ".join(f"{hit:.1f}" for hit in hits),
        f"{statistics.fmean(hits):.1f}",
    ]


def _c6(cases: list[Measurement]) -> Answer:
    ranked = sorted(cases, key=lambda case: -case.epochs[-1].accuracy)
    fastest = min(cases, key=_epoch_s)
    order = ", ".join(f"{_name(case)} {percent(case.epochs[-1].accuracy)}" for case in ranked)
    return Answer(
        "C6",
        "Five optimizers at one learning rate",
        setting(cases[0], "optimizer"),
        ["optimizer", *_COLUMNS],
        [_row(_name(case), case) for case in cases],
        [
            f"Top-1 after epoch {len(cases[0].epochs)}: {order}. One seed each: gaps of a few "
            "points mean nothing.",
            f"Fastest epoch: {_name(fastest)}.",
        ],
    )


def _name(case: Measurement) -> str:
    return str(case.case["optimizer"])


def _epoch_s(case: Measurement) -> float:
    return statistics.fmean(epoch.total_s for epoch in measured(case))


def _c7(cases: list[Measurement]) -> Answer:
    names = {True: "batch norm", False: "none"}
    by_norm = {bool(case.case["batch_norm"]): case for case in cases}
    return Answer(
        "C7",
        "Batch norm against none",
        setting(cases[0]),
        ["network", *_COLUMNS],
        [_row(names[key], by_norm[key]) for key in sorted(by_norm, reverse=True)],
        _c7_words(by_norm),
    )


def _c7_words(by_norm: dict[bool, Measurement]) -> list[str]:
    if len(by_norm) < 2:
        return []
    norm, none = by_norm[True], by_norm[False]
    return [
        f"Without batch norm an epoch takes {ratio(_epoch_s(none) / _epoch_s(norm))} the time of "
        f"one with it.",
        f"Top-1 after epoch {len(norm.epochs)}: {percent(norm.epochs[-1].accuracy)} with, "
        f"{percent(none.epochs[-1].accuracy)} without.",
    ]
