"""GPU-memory lab: the largest batch that fits into a given memory, predicted and verified."""

from hpml_lab.labs.answer import Answer, Brief, setting
from hpml_lab.runs.cases import alike, lab_cases
from hpml_lab.runs.schema import Measurement, Run
from hpml_lab.units import mebibytes

_NEEDED = ("planned_largest_batch", "largest_batch", "failed_batch", "limit_bytes")


def answers(run: Run) -> list[Answer]:
    """Returns the largest batch by optimizer for each device and setting in the run."""
    cases = lab_cases(run, "largest_batch", epochs=False, counters=_NEEDED)
    return [_answer(group) for group in alike(cases, "optimizer", "batch_size", "images")]


def _answer(cases: list[Measurement]) -> Answer:
    exact = sum(c.counters["planned_largest_batch"] == c.counters["largest_batch"] for c in cases)
    return Answer(
        "",
        "Largest batch",
        setting(cases[0], "images", "batch_size", "workers", "optimizer"),
        ["optimizer", "memory", "predicted", "ran", "out of memory at"],
        [_row(case) for case in cases],
        [f"The predicted batch is the largest that ran for {exact} of {len(cases)} optimizers."],
        Brief(f"as predicted for {exact} of {len(cases)} optimizers"),
    )


def _row(case: Measurement) -> list[str]:
    counts = case.counters
    batches = [f"{counts[name]:,}" for name in _NEEDED[:3]]
    return [str(case.case["optimizer"]), mebibytes(counts["limit_bytes"]), *batches]
