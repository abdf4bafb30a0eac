"""Batch size: throughput of a training step in images per second."""

from hpml_lab.labs.answer import Answer, brief_of, process_seconds, setting
from hpml_lab.runs.cases import alike, lab_cases, typical_s
from hpml_lab.runs.schema import Measurement, Run
from hpml_lab.units import per_second, seconds


def answers(run: Run) -> list[Answer]:
    """Returns the throughput by batch size for each device and setting in the run."""
    results = []
    for sweep in alike(lab_cases(run, "batch_size", epochs=False), "batch_size", "images"):
        best = max(sweep, key=_rate)
        results.append(
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
                brief_of(_image_s(sweep), f"batch {{}}, {per_second(_rate(best), 'images')}"),
            )
        )
    return results


def _image_s(sweep: list[Measurement]) -> dict[int, list[float]]:
    return {
        samples: [step_s / samples for step_s in process_seconds(case)]
        for case in sweep
        if (samples := case.samples)
    }


def _rate(case: Measurement) -> float:
    return (case.samples or 0) / typical_s(case)
