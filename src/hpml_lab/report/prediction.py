"""Predictions for a training step, of a named network or a workload: as a record and as tables."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from hpml_lab.errors import InputError, NothingFitsError
from hpml_lab.labs.answer import Answer
from hpml_lab.labs.memory_plan.table import layers_answer, layers_record
from hpml_lab.memory.fitting import Device, Fit
from hpml_lab.memory.optimizer_step import Step
from hpml_lab.memory.plan import Network, Plan
from hpml_lab.memory.timeline import Moment, Timeline
from hpml_lab.report import fit
from hpml_lab.units import mebibytes

CONVENTION = (
    "a step with optimizer state present, gradients set to None before it, input and labels alive, "
    "logits freed once the loss has them, raw bytes of tensors"
)
_COMPARED = ("sgd", "sgd momentum 0.9", "adagrad", "rmsprop", "adadelta", "adam", "adamw")
_BATCHES = 4  # halvings and doublings of the batch in the table


@dataclass(frozen=True)
class Prediction:
    """The prediction for one training step of a named network.

    Attributes:
        network: the network that is trained.
        step: how it is trained.
        numbers: raw bytes and counts, by name.
        timeline: memory over the step.
        fit: the fit of the step on a GPU.
        largest_batch: the largest that fits, or why it is not known; None without a memory.
        batches: peak bytes by batch.
        optimizers: peak bytes and largest batch by optimizer.
    """

    network: Network
    step: Step
    numbers: dict[str, int]
    timeline: Timeline
    fit: Fit
    largest_batch: int | str | None = None
    batches: list[dict[str, int]] = field(default_factory=list)
    optimizers: list[dict[str, Any]] = field(default_factory=list)


def batch_table(plan: Callable[[int], Timeline], batch: int) -> list[dict[str, int]]:
    """Returns the peak bytes for halvings and doublings of a batch.

    Args:
        plan: gives a step's timeline for a batch size.
        batch: the batch size in the middle.
    """
    smallest = max(1, batch >> _BATCHES)
    sizes = (smallest << power for power in range(2 * _BATCHES + 1))
    rows = []
    for size in sorted({batch, *(size for size in sizes if size <= batch << _BATCHES)}):
        with suppress(InputError):  # an impossible batch leaves the other rows
            rows.append({"batch": size, "peak_bytes": plan(size).peak_bytes})
    return rows


def optimizer_table(network: Network, step: Step, device: Device) -> list[dict[str, Any]]:
    """Returns peak and largest batch of the same step by optimizer; 0 where no batch fits."""
    rows = []
    for name in _COMPARED:
        optimizer, _, momentum = name.partition(" momentum ")
        other = replace(
            step, optimizer=optimizer, momentum=float(momentum or 0), implementation="foreach"
        )
        row: dict[str, Any] = {"optimizer": name, "peak_bytes": network.plan(other).peak_bytes}
        if device.memory_bytes is not None:
            largest = largest_batch(network, other, device)
            row["largest_batch"] = None if isinstance(largest, str) else largest
        rows.append(row)
    return rows


def largest_batch(network: Network, step: Step, device: Device) -> int | str | None:
    """Returns the largest batch that fits.

    Returns:
        0 if not even one sample fits, the reason if it cannot be known, None if the memory of the
        device is not known.
    """
    if device.memory_bytes is None:
        return None
    try:
        return network.largest_batch(step, device)
    except NothingFitsError:
        return 0
    except InputError as error:
        return str(error)


def record(prediction: Prediction) -> dict[str, Any]:
    """Returns the prediction as a JSON record."""
    network = prediction.network
    return {
        **prediction.numbers,
        "network": network.name,
        "classes": network.classes,
        "image": network.image,
        "step": asdict(prediction.step),
        "method": network.method,
        "convention": CONVENTION,
        "peak": asdict(prediction.timeline.peak),
        **fit.record(prediction.fit, prediction.largest_batch),
        "layers": layers_record(prediction.timeline),
        "batches": prediction.batches,
        "optimizers": prediction.optimizers,
    }


def answers(prediction: Prediction) -> list[Answer]:
    """Returns the prediction as tables with sentences."""
    caveats = [fit.TRACED] if prediction.network.method == "trace" else []
    on_gpu = fit.answer(title(prediction), prediction.fit, prediction.largest_batch, caveats)
    tables = [_plan(prediction), on_gpu]
    if prediction.batches:
        tables.append(layers_answer(title(prediction), prediction.timeline))
        tables.append(bytes_table("Peak by batch", title(prediction), prediction.batches))
    if prediction.optimizers:
        tables.append(
            bytes_table("Peak by optimizer (foreach)", title(prediction), prediction.optimizers)
        )
    return tables


def _plan(prediction: Prediction) -> Answer:
    numbers = prediction.numbers
    counted = (
        f"{numbers['parameters']:,} parameters; {numbers['flops_per_sample'] / 1e9:.3f} GFLOP per "
        "image, forward and backward."
    )
    return memory_table(title(prediction), numbers, prediction.timeline.peak, [counted])


def memory_table(
    heading: str, numbers: Mapping[str, int | None], peak: Moment, sentences: Iterable[str]
) -> Answer:
    """Returns the memory of a planned step as a table, with a sentence on its peak.

    Args:
        heading: the planned step.
        numbers: values by name; those of bytes are shown.
        peak: the moment of most live bytes.
        sentences: sentences that follow.
    """
    sizes = {name: n for name, n in numbers.items() if name.endswith("_bytes") and n is not None}
    alive = ", ".join(
        f"{_words(name)} {mebibytes(size)}" for name, size in peak.live_bytes.items() if size
    )
    layer = f", at {peak.layer}" if peak.layer else ""
    where = f"The peak is in the {peak.phase} phase{layer}. Alive then: {alive}."
    return Answer(
        "",
        "Memory of a training step, planned",
        heading,
        ["part", "bytes", "size"],
        [[_words(name[:-6]), f"{n:,}", mebibytes(n)] for name, n in sizes.items()],
        [where, *sentences],
    )


def bytes_table(heading: str, setting: str, rows: Iterable[Mapping[str, Any]]) -> Answer:
    """Returns rows with equal keys as a table, bytes as sizes."""
    cells = [
        [mebibytes(v) if k.endswith("_bytes") else _text(v) for k, v in row.items()] for row in rows
    ]
    columns = [_words(name.removesuffix("_bytes")) for name in next(iter(rows))]
    return Answer("", heading, setting, columns, cells)


def title(prediction: Prediction) -> str:
    """Returns a line that names the planned step."""
    network, step = prediction.network, prediction.step
    momentum = f" momentum {step.momentum:g}" if step.momentum else ""
    decay = f", weight decay {step.weight_decay:g}" if step.weight_decay else ""
    return (
        f"{network.name}, {network.classes:,} classes, {network.image} px, "
        f"batch {step.batch_size}, {step.optimizer}{momentum} ({step.implementation}){decay}, "
        f"{step.precision}"
    )


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")


@dataclass(frozen=True)
class WorkloadPlan:
    """The prediction for one step of a workload.

    Attributes:
        workload: its name.
        settings: values of its parameters that were set.
        plan: the memory plan of the step.
        fit: the fit on a GPU, where optimizers update all tensors at once.
        largest_batch: the largest that fits, or why it is not known; None without a memory or a
            ``batch_size``.
        batches: peak bytes by batch, for a table.
        table: whether to show additional tables.
    """

    workload: str
    settings: Mapping[str, Any]
    plan: Plan
    fit: Fit
    largest_batch: int | str | None = None
    batches: Sequence[Mapping[str, int]] = field(default_factory=list)
    table: bool = False


def workload_title(planned: WorkloadPlan) -> str:
    """Returns a line that names the planned step."""
    return ", ".join([planned.workload, *(f"{name}={v}" for name, v in planned.settings.items())])


def workload_record(planned: WorkloadPlan) -> dict[str, Any]:
    """Returns the prediction as a JSON record."""
    return {
        **planned.plan.numbers,
        "workload": planned.workload,
        "settings": dict(planned.settings),
        "samples": planned.plan.samples,
        "flops_leave_out": list(planned.plan.left_out),
        "method": "trace",
        "convention": CONVENTION,
        "peak": asdict(planned.plan.timeline.peak),
        **fit.record(planned.fit, planned.largest_batch),
        "layers": layers_record(planned.plan.timeline),
        "batches": [*planned.batches],
    }


def workload_answers(planned: WorkloadPlan) -> list[Answer]:
    """Returns the prediction as tables with sentences."""
    plan = planned.plan
    work = plan.flops_per_sample
    sentences = [
        f"{plan.parameters:,} parameters"
        + (f"; {work / 1e9:.3f} GFLOP per sample, forward and backward." if work else "."),
    ]
    if plan.left_out:
        sentences.append(f"The FLOP leave out: {', '.join(plan.left_out)}.")
    heading = workload_title(planned)
    shown = [
        memory_table(heading, plan.numbers, plan.timeline.peak, sentences),
        fit.answer(heading, planned.fit, planned.largest_batch, [fit.TRACED]),
    ]
    if planned.table:
        shown.append(layers_answer(heading, plan.timeline))
    if planned.batches:
        shown.append(bytes_table("Peak by batch", heading, planned.batches))
    return shown
