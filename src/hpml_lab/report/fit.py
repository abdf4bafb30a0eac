"""What a GPU adds to a step's tensors, and whether it fits, as a record and in words."""

from dataclasses import asdict
from typing import Any

from hpml_lab.report.answers.answer import Answer
from hpml_lab.theory.fitting import Fit
from hpml_lab.units import gibibytes, mebibytes

TRACED = (
    "Traced on the CPU's operators: a GPU's may keep something else, such as layer norms and "
    "softmax in float32 under its autocast, so what it allocates is not known to the byte."
)


def record(fit: Fit, largest_batch: int | str | None) -> dict[str, Any]:
    """Returns the keys of `predict`'s JSON that are about a GPU.

    Args:
        fit: of the step.
        largest_batch: that fits, or why it is not known; None to leave it out.
    """
    gpu = fit.gpu
    terms = {
        "allocated_bytes": gpu.allocated_bytes,
        "reserved_bytes": gpu.reserved_bytes,
        "device_used_bytes": gpu.device_used_bytes,
    }
    found: dict[str, Any] = {"gpu": asdict(gpu) | terms, "gpu_leaves_out": fit.device.left_out}
    if fit.fits is not None:
        found |= {
            "device_memory_bytes": fit.device.memory_bytes,
            "margin": fit.device.margin,
            "needed_bytes": fit.needed_bytes,
            "fits": fit.fits,
        }
    if largest_batch is None:
        return found
    known = None if isinstance(largest_batch, str) else largest_batch
    return found | {"largest_batch": known}


def sentence(fit: Fit) -> str:
    """Returns whether a step fits, in a line; empty if the memory is not known."""
    memory_bytes = fit.device.memory_bytes
    if memory_bytes is None:
        return ""
    word = "fits" if fit.fits else "does not fit"
    share = fit.needed_bytes / memory_bytes if memory_bytes else float("inf")
    sizes = f"{gibibytes(fit.needed_bytes)} of {gibibytes(memory_bytes)} GiB ({share:.0%})"
    free = f", of which {fit.device.margin:.0%} stay free" if fit.device.margin else ""
    return f"{word}: {sizes}{free}"


def answer(heading: str, fit: Fit, largest_batch: int | str | None, caveats: list[str]) -> Answer:
    """Returns the terms as a table, and behind it whether the step fits.

    Args:
        heading: what was planned.
        fit: of the step.
        largest_batch: that fits, or why it is not known; None to leave it out.
        caveats: sentences on what the plan itself may miss on a GPU.
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
