"""C7: time, loss and accuracy by epoch with and without batch norm, over the seeds."""

import statistics

from hpml_lab.labs.answer import Answer, setting
from hpml_lab.labs.learning import COLUMNS, Setting, by_setting, most_accurate, significance
from hpml_lab.runs.cases import alike, lab_cases
from hpml_lab.runs.schema import Measurement, Run
from hpml_lab.units import ratio


def answers(run: Run) -> list[Answer]:
    """Returns the answer to C7 for each device and setting in the run."""
    return [*map(_c7, alike(lab_cases(run, "batch_norm"), "batch_norm", "seed"))]


def _c7(cases: list[Measurement]) -> Answer:
    settings = by_setting(cases, "batch_norm", {True: "batch norm", False: "none"})
    settings.sort(key=lambda network: network.name)
    return Answer(
        "C7",
        "Batch norm against none",
        setting(cases[0]),
        ["network", *COLUMNS],
        [network.row for network in settings],
        _c7_words(settings),
        most_accurate(_ranked(settings)),
    )


def _ranked(settings: list[Setting]) -> list[Setting]:
    return sorted(settings, key=lambda network: -statistics.fmean(network.reached))


def _c7_words(settings: list[Setting]) -> list[str]:
    if len(settings) < 2:
        return []
    norm, none = settings
    times = statistics.fmean(none.epoch_s) / statistics.fmean(norm.epoch_s)
    ranked = _ranked(settings)
    order = ", ".join(network.words for network in ranked)
    return [
        f"Without batch norm an epoch takes {ratio(times)} the time of one with it.",
        f"Top-1 after epoch {len(norm.seeds[0].epochs)}: {order}.",
        *significance(ranked),
    ]
