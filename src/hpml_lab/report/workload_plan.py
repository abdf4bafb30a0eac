"""The plan of a declared step, as a record and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hpml_lab.report import fit
from hpml_lab.report.answers.answer import Answer
from hpml_lab.report.layers import layers_answer, layers_record
from hpml_lab.report.prediction import CONVENTION, bytes_table, memory_table
from hpml_lab.theory.fitting import Fit
from hpml_lab.theory.plan import Plan


@dataclass(frozen=True)
class WorkloadPlan:
    """What is predicted of one step of a workload.

    Attributes:
        workload: its name.
        settings: that were set.
        plan: of the step.
        fit: on a GPU, whose optimizers update all tensors at once.
        largest_batch: the largest that fits, or why it is not known; None without a memory or a
            ``batch_size``.
        batches: peak bytes by batch, for a table.
        table: whether to show tables beside the plan.
    """

    workload: str
    settings: Mapping[str, Any]
    plan: Plan
    fit: Fit
    largest_batch: int | str | None = None
    batches: Sequence[Mapping[str, int]] = field(default_factory=list)
    table: bool = False


def title(found: WorkloadPlan) -> str:
    """Returns what was planned, in a line."""
    return ", ".join([found.workload, *(f"{name}={v}" for name, v in found.settings.items())])


def record(found: WorkloadPlan) -> dict[str, Any]:
    """Returns the prediction as JSON takes it."""
    return {
        **found.plan.numbers,
        "workload": found.workload,
        "settings": dict(found.settings),
        "samples": found.plan.samples,
        "flops_leave_out": list(found.plan.left_out),
        "method": "trace",
        "convention": CONVENTION,
        "peak": asdict(found.plan.timeline.peak),
        **fit.record(found.fit, found.largest_batch),
        "layers": layers_record(found.plan.timeline),
        "batches": [*found.batches],
    }


def answers(found: WorkloadPlan) -> list[Answer]:
    """Returns the prediction as tables with sentences."""
    plan = found.plan
    work = plan.flops_per_sample
    sentences = [
        f"{plan.parameters:,} parameters"
        + (f"; {work / 1e9:.3f} GFLOP per sample, forward and backward." if work else "."),
    ]
    if plan.left_out:
        sentences.append(f"The FLOP leave out: {', '.join(plan.left_out)}.")
    heading = title(found)
    shown = [
        memory_table(heading, plan.numbers, plan.timeline.peak, sentences),
        fit.answer(heading, found.fit, found.largest_batch, [fit.TRACED]),
    ]
    if found.table:
        shown.append(layers_answer(heading, plan.timeline))
    if found.batches:
        shown.append(bytes_table("Peak by batch", heading, found.batches))
    return shown
