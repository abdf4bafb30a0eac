"""GPU memory of a planned step, and whether it fits: as a record and as tables."""

from dataclasses import asdict
from typing import Any

from hpml_lab.labs.answer import Answer
from hpml_lab.memory.fitting import Fit, Way
from hpml_lab.units import gibibytes, mebibytes

TRACED = (
    "Traced on the CPU's operators: a GPU's may keep something else, such as layer norms and "
    "softmax in float32 under its autocast, so what it allocates is not known to the byte."
)


def record(fit: Fit, largest_batch: int | str | None) -> dict[str, Any]:
    """Returns the GPU part of the JSON record of `predict`.

    Args:
        fit: the fit of the step on a GPU.
        largest_batch: the largest that fits, or why it is not known; None to leave it out.
    """
    gpu = fit.gpu
    terms = {
        "allocated_bytes": gpu.allocated_bytes,
        "reserved_bytes": gpu.reserved_bytes,
        "device_used_bytes": gpu.device_used_bytes,
    }
    fields: dict[str, Any] = {"gpu": asdict(gpu) | terms, "gpu_leaves_out": fit.device.left_out}
    if fit.fits is not None:
        fields |= {
            "device_memory_bytes": fit.device.memory_bytes,
            "margin": fit.device.margin,
            "needed_bytes": fit.needed_bytes,
            "fits": fit.fits,
        }
    if largest_batch is None:
        return fields
    known = None if isinstance(largest_batch, str) else largest_batch
    return fields | {"largest_batch": known}


def sentence(fit: Fit) -> str:
    """Returns a line on whether a step fits; empty if the memory of the GPU is not known."""
    memory_bytes = fit.device.memory_bytes
    if memory_bytes is None:
        return ""
    word = "fits" if fit.fits else "does not fit"
    share = fit.needed_bytes / memory_bytes if memory_bytes else float("inf")
    sizes = f"{gibibytes(fit.needed_bytes)} of {gibibytes(memory_bytes)} GiB ({share:.0%})"
    free = f", of which {fit.device.margin:.0%} stay free" if fit.device.margin else ""
    return f"{word}: {sizes}{free}"


def answer(heading: str, fit: Fit, largest_batch: int | str | None, caveats: list[str]) -> Answer:
    """Returns the terms of GPU memory as a table, then sentences on whether the step fits.

    Args:
        heading: the planned step.
        fit: the fit of the step on a GPU.
        largest_batch: the largest that fits, or why it is not known; None to leave it out.
        caveats: sentences on limits of the plan itself on a GPU.
    """
    gpu, fits = fit.gpu, sentence(fit)
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
    sentences = [
        *([f"{fits}."] if fits else []),
        *([_largest(largest_batch)] if largest_batch is not None else []),
        f"Left out: {', '.join(fit.device.left_out)}"
        + ("; --margin keeps a share of the memory free for it." if fits else "."),
        *caveats,
    ]
    return Answer(
        "",
        "What a GPU adds to it",
        heading,
        ["term", "bytes", "size"],
        [[name, *_shown(value)] for name, value in terms.items()],
        sentences,
    )


def _largest(batch: int | str) -> str:
    if isinstance(batch, str):
        return f"The largest batch is not known: {batch}."
    return f"Largest batch that fits: {batch:,}." if batch else "Not even one sample fits."


def _shown(value: int | None) -> list[str]:
    return ["-", "-"] if value is None else [f"{value:,}", mebibytes(value)]


def ways_record(ways: list[Way]) -> list[dict[str, Any]]:
    """Returns the changes that save memory as a JSON record."""
    return [
        {
            "way": way.name,
            "peak_bytes": way.fit.gpu.tensors_bytes,
            "needed_bytes": way.fit.needed_bytes,
            "fits": way.fit.fits,
            "changes_numbers": way.changes_numbers,
        }
        for way in ways
    ]


def ways_answer(heading: str, ways: list[Way]) -> Answer:
    """Returns the changes that save memory as a table, those that fit first."""
    return Answer(
        "",
        "What would make it fit" if any(way.fit.fits for way in ways) else "What would need less",
        heading,
        ["change", "peak of tensors", "needed", "fits", "changes numbers"],
        [
            [
                way.name,
                mebibytes(way.fit.gpu.tensors_bytes),
                mebibytes(way.fit.needed_bytes),
                "yes" if way.fit.fits else "no",
                "yes" if way.changes_numbers else "no",
            ]
            for way in ways
        ],
        ["Each alone; planned like the step itself. They can be taken together."],
    )
