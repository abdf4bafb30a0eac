"""The plan of a declared step, as a record and in words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hpml_lab.report.answers.answer import Answer
from hpml_lab.report.prediction import CONVENTION, largest, memory_table
from hpml_lab.theory.plan import Plan


@dataclass(frozen=True)
class WorkloadPlan:
    """What is predicted of one step of a workload.

    Attributes:
        workload: its name.
        settings: that were set.
        plan: of the step.
        largest_batch: the largest that fits; None if no memory was given.
    """

    workload: str
    settings: Mapping[str, Any]
    plan: Plan
    largest_batch: int | None = None


def title(found: WorkloadPlan) -> str:
    """Returns what was planned, in a line."""
    return ", ".join([found.workload, *(f"{name}={v}" for name, v in found.settings.items())])


def record(found: WorkloadPlan) -> dict[str, Any]:
    """Returns the prediction as JSON takes it."""
    batch = found.largest_batch
    return {
        **found.plan.numbers,
        **({} if batch is None else {"largest_batch": batch}),
        "workload": found.workload,
        "settings": dict(found.settings),
        "samples": found.plan.samples,
        "flops_leave_out": list(found.plan.left_out),
        "method": "trace",
        "convention": CONVENTION,
        "peak": asdict(found.plan.timeline.peak),
    }


def answers(found: WorkloadPlan) -> list[Answer]:
    """Returns the prediction as a table with sentences."""
    plan = found.plan
    work = plan.flops_per_sample
    sentences = [
        f"{plan.parameters:,} parameters"
        + (f"; {work / 1e9:.3f} GFLOP per sample, forward and backward." if work else "."),
        "Traced on the CPU's operators; a GPU's may keep something else.",
    ]
    if plan.left_out:
        sentences.append(f"The FLOP leave out: {', '.join(plan.left_out)}.")
    if found.largest_batch is not None:
        sentences.append(largest(found.largest_batch))
    return [memory_table(title(found), plan.numbers, plan.timeline.peak, sentences)]
