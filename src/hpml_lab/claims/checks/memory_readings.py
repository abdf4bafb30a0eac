"""What the printed memory readings say about each other, and what they cannot be."""

import math

from torch.autograd.graph import saved_tensors_hooks

from hpml_lab.claims import published
from hpml_lab.claims.checks import models
from hpml_lab.claims.checks.comparing import rounds, together
from hpml_lab.claims.checks.registry import Finding, decides
from hpml_lab.units import MIB

_RESERVED_MIB = 244  # what the allocator held with the model loaded, by the published output
_BATCHES = (4, 16, 64, 256)
_IMAGES = 4096


@decides("000-Q1b-total")
def card_holds_what_it_showed() -> Finding:
    """Holds the stated size of the card against the largest usage that was read from it."""
    size_mb = 1000 * published.value("000-Q1", "gpu_total_memory")
    usages = [
        published.value(run.id, "device_memory_used")
        for run in published.runs("000")
        if run.id != "000-Q1"
    ]
    return Finding(size_mb >= max(usages), f"{size_mb:.0f} MB in all, {max(usages)} MB in use")


@decides("000-Q1c-overhead")
def reserved_beyond_the_model() -> Finding:
    """Takes the model from the reserved memory, both in the stated unit."""
    model_bytes = models.summary("resnet152").parameters_bytes
    overhead_mb = (_RESERVED_MIB * MIB - model_bytes) / 1e6
    mixed = _RESERVED_MIB * MIB / 1e6 - model_bytes / MIB
    found = rounds("overhead in MB", published.value("000-Q1", "context_overhead"), overhead_mb)
    return together(found, Finding(True, f"MB less MiB would be {mixed:.3f}"))


def _saved_bytes(samples: int) -> int:
    """Returns the bytes that a forward pass of ResNet-18 keeps for its backward pass."""
    model, kept = models.bare("resnet18"), {}

    def keep(tensor):  # type: ignore[no-untyped-def]
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        models.loss(model, "resnet18", samples)
    return sum(storage.nbytes() for storage in kept.values())


@decides("000-Q3a-linear")
def cost_of_an_image() -> Finding:
    """Holds the printed cost of an image against what its forward pass must keep."""
    used = [published.value(f"000-Q3a-b{batch}", "device_memory_used") for batch in _BATCHES]
    steps = zip(used, used[1:], _BATCHES, _BATCHES[1:], strict=False)
    printed = [(after - before) / (larger - batch) for before, after, batch, larger in steps]
    least_mb = (_saved_bytes(4) - _saved_bytes(2)) / 2 / 1e6
    listed = ", ".join(f"{cost:.1f}" for cost in printed)
    return Finding(
        min(printed) >= least_mb, f"{listed} MB an image; {least_mb:.1f} MB are kept for each"
    )


@decides("000-Q3c-why")
def large_batches_wait_longer() -> Finding:
    """Counts how often in an epoch the GPU waits for a next batch, by batch size."""
    waits = {batch: math.ceil(_IMAGES / batch) for batch in _BATCHES}
    evidence = ", ".join(f"{count:,} at batch {batch}" for batch, count in waits.items())
    return Finding(waits[256] > waits[4], f"waits in an epoch: {evidence}")
