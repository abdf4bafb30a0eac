"""Batch size: how many images a second a training step works on."""

from hpml_lab.history.cases import alike, lab_cases, typical_s
from hpml_lab.history.run import Run
from hpml_lab.measure.record import Measurement
from hpml_lab.report.answers.answer import Answer, setting
from hpml_lab.units import per_second, seconds


def answers(run: Run) -> list[Answer]:
    """Returns the throughput by batch size for each device and setting in the run."""
    found = []
    for sweep in alike(lab_cases(run, "batch_size", epochs=False), "batch_size", "images"):
        best = max(sweep, key=_rate)
        found.append(
            Answer(
                "",
                "Batch size",
                setting(sweep[0], "batch_size", "images", "workers"),
                ["batch", "step", "images/s"],
                [
                    [str(case.samples), seconds(typical_s(case)), f"{_rate(case):,.0f}"]
                    for case in sweep
                ],
                [f"Most images a second: batch {best.samples}, {per_second(_rate(best))}."],
            )
        )
    return found


def _rate(case: Measurement) -> float:
    return (case.samples or 0) / typical_s(case)
