"""A planned training step, as a record and in words."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from hpml_lab.report.answers.answer import Answer
from hpml_lab.theory.gpu_memory import GpuMemory
from hpml_lab.theory.memory import Step
from hpml_lab.theory.prediction import Network
from hpml_lab.theory.timeline import Moment
from hpml_lab.units import mebibytes

CONVENTION = (
    "a step with optimizer state present, gradients set to None before it, input and labels alive, "
    "logits let go once the loss has them, raw bytes of tensors"
)
_COMPARED = ("sgd", "sgd momentum 0.9", "adagrad", "rmsprop", "adadelta", "adam", "adamw")
_BATCHES = 4  # halvings and doublings of the batch in the table


@dataclass(frozen=True)
class Prediction:
    """What is foretold of one training step.

    Attributes:
        network: what is trained.
        step: how.
        numbers: raw bytes and counts, by name.
        peak: what is alive when most is.
        gpu: what a GPU adds.
        largest_batch: the largest that fits; None if no memory was given.
        batches: peak bytes by batch.
        optimizers: peak bytes and largest batch by optimizer.
    """

    network: Network
    step: Step
    numbers: dict[str, int]
    peak: Moment
    gpu: GpuMemory
    largest_batch: int | None = None
    batches: list[dict[str, int]] = field(default_factory=list)
    optimizers: list[dict[str, Any]] = field(default_factory=list)


def batch_table(network: Network, step: Step) -> list[dict[str, int]]:
    """Returns the peak for halves and doubles of the batch."""
    smallest = max(1, step.batch >> _BATCHES)
    batches = [smallest << power for power in range(2 * _BATCHES + 1)]
    chosen = sorted({step.batch, *(b for b in batches if b <= step.batch << _BATCHES)})
    return [{"batch": b, "peak_bytes": network.plan(step.of(b)).peak_bytes} for b in chosen]


def optimizer_table(network: Network, step: Step, limit_bytes: int | None) -> list[dict[str, Any]]:
    """Returns peak and largest batch of the same step with each optimizer."""
    rows = []
    for name in _COMPARED:
        optimizer, _, momentum = name.partition(" momentum ")
        other = replace(
            step, optimizer=optimizer, momentum=float(momentum or 0), implementation="foreach"
        )
        row: dict[str, Any] = {"optimizer": name, "peak_bytes": network.plan(other).peak_bytes}
        if limit_bytes is not None:
            row["largest_batch"] = network.largest_batch(other, limit_bytes)
        rows.append(row)
    return rows


def record(prediction: Prediction) -> dict[str, Any]:
    """Returns the prediction as JSON takes it."""
    network, gpu = prediction.network, prediction.gpu
    largest = prediction.largest_batch
    return {
        **prediction.numbers,
        **({} if largest is None else {"largest_batch": largest}),
        "network": network.name,
        "classes": network.classes,
        "image": network.image,
        "step": asdict(prediction.step),
        "method": network.method,
        "convention": CONVENTION,
        "peak": asdict(prediction.peak),
        "gpu": asdict(gpu)
        | {
            "allocated_bytes": gpu.allocated_bytes,
            "reserved_bytes": gpu.reserved_bytes,
            "device_used_bytes": gpu.device_used_bytes,
        },
        "batches": prediction.batches,
        "optimizers": prediction.optimizers,
    }


def answers(prediction: Prediction) -> list[Answer]:
    """Returns the prediction as tables with sentences."""
    found = [_plan(prediction), _on_gpu(prediction)]
    if prediction.batches:
        found.append(_table("Peak by batch", title(prediction), prediction.batches))
    if prediction.optimizers:
        found.append(
            _table("Peak by optimizer (foreach)", title(prediction), prediction.optimizers)
        )
    return found


def _plan(prediction: Prediction) -> Answer:
    numbers = prediction.numbers
    sentences = [
        f"{numbers['parameters']:,} parameters; {numbers['flops_per_sample'] / 1e9:.3f} GFLOP per "
        "image, forward and backward.",
    ]
    if prediction.largest_batch is not None:
        sentences.append(largest(prediction.largest_batch))
    return memory_table(title(prediction), numbers, prediction.peak, sentences)


def memory_table(
    heading: str, numbers: Mapping[str, int | None], peak: Moment, sentences: Iterable[str]
) -> Answer:
    """Returns the bytes of a planned step as a table, and where its peak is.

    Args:
        heading: what was planned.
        numbers: by name; those of bytes are shown.
        peak: what is alive when most is.
        sentences: that follow.
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


def largest(batch: int) -> str:
    """Returns the largest batch that fits as a sentence."""
    return f"Largest batch that fits: {batch:,}."


def _on_gpu(prediction: Prediction) -> Answer:
    gpu = prediction.gpu
    terms = {
        "tensors": gpu.tensors_bytes,
        "rounding to blocks": gpu.rounding_bytes,
        "workspace of matrix products": gpu.workspace_bytes,
        "= allocated": gpu.allocated_bytes,
        "cached by the allocator": gpu.cached_bytes,
        "= reserved": gpu.reserved_bytes,
        "context": gpu.context_bytes,
        "= device used": gpu.device_used_bytes,
    }
    unknown = [
        "The context is not known: --gpu-context gives its bytes or measures it."
        if gpu.context_bytes is None
        else "Other programs on the device come on top.",
        "Not in it: workspaces that cuDNN chooses when it runs.",
    ]
    return Answer(
        "",
        "What a GPU adds to it",
        title(prediction),
        ["term", "bytes", "size"],
        [[name, *_shown(value)] for name, value in terms.items()],
        unknown,
    )


def _table(heading: str, setting: str, rows: Iterable[Mapping[str, Any]]) -> Answer:
    cells = [
        [mebibytes(v) if k.endswith("_bytes") else _text(v) for k, v in row.items()] for row in rows
    ]
    columns = [_words(name.removesuffix("_bytes")) for name in next(iter(rows))]
    return Answer("", heading, setting, columns, cells)


def title(prediction: Prediction) -> str:
    """Returns what was planned, in a line."""
    network, step = prediction.network, prediction.step
    momentum = f" momentum {step.momentum:g}" if step.momentum else ""
    decay = f", weight decay {step.weight_decay:g}" if step.weight_decay else ""
    return (
        f"{network.name}, {network.classes:,} classes, {network.image} px, batch {step.batch}, "
        f"{step.optimizer}{momentum} ({step.implementation}){decay}, {step.dtype}"
    )


def _shown(value: int | None) -> list[str]:
    return ["-", "-"] if value is None else [f"{value:,}", mebibytes(value)]


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
