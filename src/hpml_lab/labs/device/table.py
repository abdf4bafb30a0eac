"""C5: the mean epoch time of each device."""

import statistics

from hpml_lab.labs.answer import (
    Answer,
    Brief,
    brief_of,
    plus_minus,
    process_seconds,
    setting,
)
from hpml_lab.runs.cases import alike, lab_cases, measured
from hpml_lab.runs.schema import Measurement, Run
from hpml_lab.units import ratio


def answers(run: Run) -> list[Answer]:
    """Returns the answer to C5 for each setting in the run."""
    results = []
    for pair in alike(lab_cases(run, "device"), "device", "pin_memory"):
        totals = {
            str(case.case["device"]): [epoch.total_s for epoch in measured(case)] for case in pair
        }
        results.append(
            Answer(
                "C5",
                "GPU against CPU",
                setting(pair[0], "device"),
                ["device", "epoch s", "images/s"],
                [
                    [
                        device,
                        plus_minus(seconds),
                        f"{(pair[0].samples or 0) / statistics.fmean(seconds):,.0f}",
                    ]
                    for device, seconds in totals.items()
                ],
                [_words(totals)],
                _brief(pair, totals),
            )
        )
    return results


def _brief(pair: list[Measurement], totals: dict[str, list[float]]) -> Brief:
    if {"cpu", "cuda"} <= totals.keys():
        times = statistics.fmean(totals["cpu"]) / statistics.fmean(totals["cuda"])
        seconds = {str(case.case["device"]): process_seconds(case) for case in pair}
        return brief_of(seconds, f"{{}}; an epoch on the CPU takes {ratio(times)}")
    return Brief(f"only {', '.join(totals)} was measured", "a GPU: pytest -m gpu")


def _words(totals: dict[str, list[float]]) -> str:
    if {"cpu", "cuda"} <= totals.keys():
        times = statistics.fmean(totals["cpu"]) / statistics.fmean(totals["cuda"])
        return f"An epoch on the CPU takes {ratio(times)} the time of the GPU."
    return (
        f"Only {', '.join(totals)} was measured in this run; on a machine with a GPU: pytest -m gpu"
    )
