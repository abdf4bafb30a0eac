"""Checks of the GPU-memory lab: exact sizes, and the write-ups' printed tables.

Each table of write-up 001 has one row per epoch, stamped at the end of the epoch's evaluation.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from functools import partial

import numpy as np
import torch
from torch.autograd.graph import saved_tensors_hooks

from hpml_lab.claims import models, published
from hpml_lab.claims.checking import Finding, decides, rounds, same, together
from hpml_lab.claims.published import run, value, values
from hpml_lab.theory.optimizers import state_bytes
from hpml_lab.units import MIB

_NETWORK = "resnet152"
_BATCHES = (4, 16, 64, 256)
_EPOCHS = 10
_IMAGES = 4096
# Name and momentum, the arguments of the closed form.
_OPTIMIZERS = {"sgd": ("sgd", 0.0), "sgd_momentum": ("sgd", 0.9), "adam": ("adam", 0.0)}


@decides("001-5a-params")
def _parameters() -> Finding:
    counted = models.trainable(models.bare(_NETWORK))
    return same("parameters", int(value("001-5a", "parameters")), counted)


@decides("001-5a-size")
def _size() -> Finding:
    model_bytes = models.summary(_NETWORK).parameters_bytes
    return rounds("MB", value("001-5a", "model_size"), Decimal(model_bytes) / 10**6)


@decides("001-5a-gpu")
def _name_of_the_card() -> Finding:
    named = run("001-5a").machine["gpu"]
    evidence = f"the table names a {named}; Persistence-M heads the column beside the names"
    return Finding("Persistence-M" in named, evidence)


@decides("001-5a-overhead")
def _beyond_the_model() -> Finding:
    used = value("001-5a", "nvidia_smi_memory_used")
    model_mib = models.summary(_NETWORK).parameters_bytes / MIB
    evidence = f"{used} MiB in use with the model of {model_mib:.2f} MiB loaded"
    overhead = rounds("MiB beyond it", value("001-5a", "context_overhead"), float(used) - model_mib)
    return Finding(overhead.holds, f"{evidence}; {overhead.evidence}")


@decides("001-5b-order")
def _order_of_optimizers() -> Finding:
    shapes = [parameter.shape for parameter in models.bare(_NETWORK).parameters()]
    states = [state_bytes(n, shapes, momentum=m) for n, m in _OPTIMIZERS.values()]
    printed = [value(f"001-5b-{name}", "device_memory_used") for name in _OPTIMIZERS]
    evidence = f"printed {' < '.join(map(str, printed))} MB"
    evidence += f"; state {' < '.join(f'{size:,}' for size in states)} B"
    rises = bool(np.all(np.diff(np.array([printed, states], float)) > 0))
    return Finding(rises, evidence)


@decides("001-5b-why")
def _tensors_that_adam_keeps() -> Finding:
    kept = {name: _state_tensors(name) for name in ("SGD", "Adam")}
    evidence = ", ".join(f"{name} {names or 'nothing'}" for name, names in kept.items())
    return Finding(len(kept["Adam"]) > len(kept["SGD"]), f"kept per parameter: {evidence}")


def _state_tensors(name: str) -> list[str]:
    parameter = torch.nn.Parameter(torch.ones(3))
    parameter.grad = torch.ones(3)
    optimizer = getattr(torch.optim, name)([parameter])
    optimizer.step()
    state = optimizer.state[parameter]
    return [key for key, kept in state.items() if getattr(kept, "shape", None) == parameter.shape]


def elapsed() -> Mapping[int, Decimal]:
    """Returns the seconds from the first to the last row of each table, by batch size."""
    stamps = {batch: values(f"001-5c-b{batch}", "timestamp") for batch in _BATCHES}
    return {batch: rows[-1] - rows[0] for batch, rows in stamps.items()}


def _subtraction(batch: int) -> Finding:
    return same(
        f"batch {batch}, s", int(value(f"001-5c-b{batch}", "elapsed")), int(elapsed()[batch])
    )


for _batch in _BATCHES:
    decides(f"001-5c-t{_batch}")(partial(_subtraction, _batch))


@decides("001-5c-fast")
def _fastest() -> Finding:
    fastest = min(elapsed(), key=elapsed().__getitem__)
    return Finding(fastest == 16, f"{_seconds()}; {fastest} is fastest")


@decides("001-5c-why-small")
def _small_batches_are_slow() -> Finding:
    ratios = [elapsed()[4] / elapsed()[batch] for batch in _BATCHES[1:]]
    evidence = f"{_seconds()}; batch 4 takes {min(ratios):.2f} to {max(ratios):.2f} times as long"
    return Finding(min(ratios) > Decimal("1.1"), evidence)


@decides("001-5c-why-large")
def _large_batches_are_slow() -> Finding:
    return Finding(elapsed()[256] > min(elapsed().values()), _seconds())


@decides("001-5c-epochs10")
def _epochs_between_stamps() -> Finding:
    spans = {len(values(f"001-5c-b{batch}", "timestamp")) - 1 for batch in _BATCHES}
    per = next(m.per for m in run("001-5c-b4").metrics if m.name == "timestamp")
    evidence = f"{_EPOCHS} stamps at each {per} span {' or '.join(map(str, spans))} epochs"
    return Finding(spans == {_EPOCHS}, evidence)


def _seconds() -> str:
    return ", ".join(f"batch {batch} {seconds} s" for batch, seconds in elapsed().items())


@decides("001-5c-acc")
def _most_accurate() -> Finding:
    last = {batch: _accuracies(batch)[-1] for batch in _BATCHES}
    best = max(last, key=last.__getitem__)
    return Finding(best == 16, ", ".join(f"batch {b} {a:.2f} %" for b, a in last.items()))


def on_grid(images: int) -> Finding:
    """Decides whether all printed accuracies are whole numbers of this many images.

    An error within a hundredth of a step counts as a slip in the last digits, a larger one as
    another number of images.
    """
    counts = [accuracy * images / 100 for batch in _BATCHES for accuracy in _accuracies(batch)]
    away = [abs(count - round(count)) for count in counts]
    exact = sum(distance < Decimal("1e-5") for distance in away)
    evidence = f"{exact} of {len(counts)} are k/{images} to the last digit"
    return Finding(max(away) < Decimal("0.01"), f"{evidence}; the farthest is {max(away):.2g} off")


decides("001-5c-table-grid")(partial(on_grid, _IMAGES))


@decides("001-5c-final")
def _closing_list() -> Finding:
    rows = {b: set(values(f"001-5c-b{b}", "device_memory_used")) for b in _BATCHES}
    final = {b: value(f"001-5c-b{b}", "device_memory_used_final_table") for b in _BATCHES}
    holds = all(rows[batch] == {final[batch]} for batch in _BATCHES)
    tables = "/".join(" and ".join(map(str, sorted(numbers))) for numbers in rows.values())
    return Finding(holds, f"list {'/'.join(map(str, final.values()))}; tables {tables}, all epochs")


@decides("001-5c-loss-col")
def _loss_of_the_epoch() -> Finding:
    rough = {batch: _roughness(batch) for batch in _BATCHES}
    evidence = ", ".join(f"batch {batch} {noise:.3f}" for batch, noise in rough.items())
    evidence = f"noise of the column from row to row: {evidence} nat"
    ratio, root = rough[4] / rough[256], (256 / 4) ** 0.5
    # A mean over the same 4,096 images would be equally noisy for every batch size.
    return Finding(ratio < root / 2, f"{evidence}; ratio {ratio:.1f}, sqrt(256/4) = {root:g}")


def _roughness(batch: int) -> float:
    losses = np.array(values(f"001-5c-b{batch}", "train_loss_last_batch"), float)
    # Second differences remove a linear trend; independent noise enters with weights 1, -2, 1.
    return float(np.diff(losses, 2).std() / np.sqrt(6))


def _accuracies(batch: int) -> list[Decimal]:
    return values(f"001-5c-b{batch}", "train_accuracy_eval_mode")


_RESERVED_MIB = 244  # reserved memory with the model loaded, from the published output


@decides("000-Q1b-total")
def card_holds_what_it_showed() -> Finding:
    """Compares the stated size of the card with the largest usage read from it."""
    size_mb = 1000 * published.value("000-Q1", "gpu_total_memory")
    usages = [
        published.value(run.id, "device_memory_used")
        for run in published.runs("000")
        if run.id != "000-Q1"
    ]
    return Finding(size_mb >= max(usages), f"{size_mb:.0f} MB in all, {max(usages)} MB in use")


@decides("000-Q1c-overhead")
def reserved_beyond_the_model() -> Finding:
    """Subtracts the model from the reserved memory, both in the stated unit."""
    model_bytes = models.summary("resnet152").parameters_bytes
    overhead_mb = (_RESERVED_MIB * MIB - model_bytes) / 1e6
    mixed = _RESERVED_MIB * MIB / 1e6 - model_bytes / MIB
    overhead = rounds("overhead in MB", published.value("000-Q1", "context_overhead"), overhead_mb)
    return together(overhead, Finding(True, f"MB less MiB would be {mixed:.3f}"))


def _saved_bytes(samples: int) -> int:
    """Returns the number of bytes that a forward pass of ResNet-18 keeps for its backward pass."""
    model, kept = models.bare("resnet18"), {}

    def keep(tensor):  # type: ignore[no-untyped-def]
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        models.loss(model, "resnet18", samples)
    return sum(storage.nbytes() for storage in kept.values())


@decides("000-Q3a-linear")
def cost_of_an_image() -> Finding:
    """Compares the printed cost of an image with the bytes its forward pass must keep."""
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
    """Counts the GPU's waits for a batch in an epoch, by batch size."""
    waits = {batch: math.ceil(_IMAGES / batch) for batch in _BATCHES}
    evidence = ", ".join(f"{count:,} at batch {batch}" for batch, count in waits.items())
    return Finding(waits[256] > waits[4], f"waits in an epoch: {evidence}")
