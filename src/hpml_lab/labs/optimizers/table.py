"""C6: optimizers at one learning rate: time, loss and accuracy by epoch, over the seeds."""

import statistics

from hpml_lab.labs.answer import Answer, first_of, setting
from hpml_lab.labs.learning import COLUMNS, by_setting, most_accurate, significance
from hpml_lab.runs.cases import alike, lab_cases
from hpml_lab.runs.schema import Measurement, Run


def answers(run: Run) -> list[Answer]:
    """Returns the answer to C6 for each device and setting in the run."""
    return [*map(_c6, alike(lab_cases(run, "optimizers"), "optimizer", "seed"))]


def _c6(cases: list[Measurement]) -> Answer:
    settings = by_setting(cases, "optimizer", {})
    ranked = sorted(settings, key=lambda optimizer: -statistics.fmean(optimizer.reached))
    order = ", ".join(optimizer.words for optimizer in ranked)
    times = {optimizer.name: optimizer.seed_s for optimizer in settings}
    return Answer(
        "C6",
        f"{len(settings)} optimizers at one learning rate",
        setting(cases[0], "optimizer"),
        ["optimizer", *COLUMNS],
        [optimizer.row for optimizer in settings],
        [
            f"Top-1 after epoch {len(cases[0].epochs)}: {order}.",
            f"Fastest epoch: {first_of(times)}.",
            *significance(ranked),
        ],
        most_accurate(ranked),
    )
