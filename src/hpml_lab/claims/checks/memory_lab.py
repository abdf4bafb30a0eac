"""The GPU-memory lab of write-up 001: exact sizes, and what its printed tables say themselves.

Each table has one row per epoch, stamped when the epoch and its evaluation have ended.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial

import numpy as np
import torch

from hpml_lab.claims.checks import models
from hpml_lab.claims.checks.comparing import rounds, same
from hpml_lab.claims.checks.registry import Finding, decides
from hpml_lab.claims.published import run, value, values
from hpml_lab.theory.optimizers import state_bytes
from hpml_lab.units import MIB

_NETWORK = "resnet152"
_BATCHES = (4, 16, 64, 256)
_EPOCHS = 10
_IMAGES = 4096
# Momentum is an argument of the theory; the rest are names of torch.optim.
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
    found = rounds("MiB beyond it", value("001-5a", "context_overhead"), float(used) - model_mib)
    return Finding(found.holds, f"{evidence}; {found.evidence}")


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
    """Returns the seconds from the first row of each table to its last, by batch size."""
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
    """Finds whether all printed accuracies are whole numbers of so many images.

    A slip of the pen in the last digits is told from another grid: it stays within a hundredth of
    a step.
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
    # A mean over the same 4,096 images would be equally rough whatever the batch.
    return Finding(ratio < root / 2, f"{evidence}; ratio {ratio:.1f}, sqrt(256/4) = {root:g}")


def _roughness(batch: int) -> float:
    losses = np.array(values(f"001-5c-b{batch}", "train_loss_last_batch"), float)
    # Second differences take out a steady fall; independent noise enters them with 1, -2, 1.
    return float(np.diff(losses, 2).std() / np.sqrt(6))


def _accuracies(batch: int) -> list[Decimal]:
    return values(f"001-5c-b{batch}", "train_accuracy_eval_mode")
