"""Stalls of an epoch from loading."""

from hpml_lab.labs.answer import Answer, Brief, setting
from hpml_lab.runs.cases import lab_cases
from hpml_lab.runs.schema import Measurement, Run
from hpml_lab.units import percent

_NO_COLD = "No fetch stall: generated images, or storage that could not be made cold."


def answers(run: Run) -> list[Answer]:
    """Returns the stalls of each case."""
    return [_stalls(case) for case in lab_cases(run, "stalls") if "ready_s" in case.stalls]


def _stalls(case: Measurement) -> Answer:
    lost = case.stalls
    rows = [
        ["batches on the device already", f"{lost['ready_s']:.3f}", "-"],
        ["real pipeline, data in memory", f"{lost['cached_s']:.3f}", f"{lost['prep_stall_s']:.3f}"],
    ]
    if "cold_s" in lost:
        row = ["real pipeline, data on storage"]
        rows.append([*row, f"{lost['cold_s']:.3f}", f"{lost['fetch_stall_s']:.3f}"])
    return Answer(
        "",
        "What loading costs an epoch",
        setting(case),
        ["epoch", "s", "stall s"],
        rows,
        [
            f"The {case.case.get('device')} has its batch for "
            f"{percent(lost['accelerator_utilisation'])} of the epoch.",
            *([] if "cold_s" in lost else [_NO_COLD]),
        ],
        Brief(f"{percent(1 - lost['accelerator_utilisation'])} of an epoch"),
    )
