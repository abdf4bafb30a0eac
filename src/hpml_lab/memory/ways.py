"""Changes that reduce the memory of a training, with the predicted memory of each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from hpml_lab.errors import InputError
from hpml_lab.memory.fitting import Device, Fit, Way
from hpml_lab.memory.plan import Plan
from hpml_lab.memory.timeline import Timeline
from hpml_lab.memory.workload_plan import Change, as_on_gpu, plan_changed
from hpml_lab.training.step import TrainingStep
from hpml_lab.training.workload import Workload, has_setting, setting

_BATCH = "batch_size"
_FEWEST_BLOCKS = 4
_STATE_SHARE = 4  # of float32: one byte per element
_PARTS = (2, 4, 8, 16, 32, 64)


def ways(function: Workload, settings: Mapping[str, Any], device: Device, now: Fit) -> list[Way]:
    """Returns changes that reduce the memory, those that fit first, then by memory.

    Candidates are updates by a loop, gradient accumulation over smaller batches, blocks that are
    recomputed in the backward pass, bfloat16 autocast, and optimizer state of 8 bits.

    Args:
        function: The workload.
        settings: Its parameters.
        device: The device that it does not fit into.
        now: Fit of the unchanged workload.

    Raises:
        InputError: if the workload cannot be planned.
    """
    planned = partial(plan_changed, function, settings)
    tries: list[Callable[[], Way | None]] = [
        lambda: Way("update by a loop over tensors: foreach=False", planned(_looping).fit(device)),
        lambda: Way("bfloat16 autocast", planned(_IN_BFLOAT16).fit(device), changes_numbers=True),
        lambda: _eight_bits(planned(as_on_gpu), device),
        lambda: _accumulating(function, settings, device),
        lambda: _recomputing(planned, device),
    ]
    candidates = []
    for attempt in tries:
        with suppress(InputError):  # a change that cannot be planned is left out
            candidates.append(attempt())
    less = [w for w in candidates if w is not None and (w.fit.fits or _size(w.fit) < _size(now))]
    return sorted(less, key=lambda way: (not way.fit.fits, way.fit.needed_bytes))


def _size(fit: Fit) -> int:
    return fit.gpu.tensors_bytes


def _looping(step: TrainingStep) -> None:
    for optimizer in step.optimizers:
        for group in optimizer.param_groups:
            group |= {"foreach": False, "fused": False} if "foreach" in group else {}


def _bfloat16(step: TrainingStep) -> None:
    step.precision = "bfloat16"


def accumulate(step: TrainingStep) -> None:
    """Makes a step accumulate its gradients."""
    step.zero_grad = lambda: None  # type: ignore[method-assign]


def both(*changes: Change) -> Change:
    """Returns the composition of several changes, in their order."""

    def change(step: TrainingStep) -> None:
        for single in changes:
            single(step)

    return change


_IN_BFLOAT16 = both(as_on_gpu, _bfloat16)


def _eight_bits(plan: Plan, device: Device) -> Way:
    state = {
        number for number, name in enumerate(plan.timeline.categories) if name == "optimizer_state"
    }
    events = (
        event._replace(change_bytes=_eighth(event.change_bytes)) if event.block in state else event
        for event in plan.timeline.events
    )
    shorter = replace(plan, timeline=Timeline(tuple(events), plan.timeline.categories))
    return Way("optimizer state of 8 bits, its scales apart", shorter.fit(device), True)


def _eighth(change_bytes: int) -> int:
    size = -(-abs(change_bytes) // _STATE_SHARE)
    return size if change_bytes > 0 else -size


def _accumulating(function: Workload, settings: Mapping[str, Any], device: Device) -> Way | None:
    if not has_setting(function, _BATCH):
        return None
    batch, way = setting(function, settings, _BATCH), None
    for parts in _PARTS:
        if batch // parts and not (way and way.fit.fits):
            smaller = {**settings, _BATCH: batch // parts}
            name = f"{parts} batches of {batch // parts:,} whose gradients add up"
            plan = plan_changed(function, smaller, both(as_on_gpu, accumulate))
            way = Way(f"{name}; a batch norm sees smaller batches", plan.fit(device))
    return way


def _recomputing(planned: Callable[[Change], Plan], device: Device) -> Way | None:
    names: list[str] = []
    planned(lambda step: names.extend(recomputable(step.models)))

    def fit(count: int) -> Fit:
        return planned(both(as_on_gpu, partial(recompute, names=names[:count]))).fit(device)

    if not names:
        return None
    few, many = 1, len(names)
    while few < many and fit(many).fits:  # the fewest that fit, if all of them do
        middle = (few + many) // 2
        few, many = (few, middle) if fit(middle).fits else (middle + 1, many)
    name = f"recompute {many} of {len(names)} blocks, {names[0]} to {names[many - 1]}"
    return Way(name, fit(many))


def recomputable(models: Sequence[nn.Module]) -> list[str]:
    """Returns the paths of the blocks of models: the elements of their lists and sequences.

    The outermost ones, or the ones inside them if they are fewer than four.
    """
    prefixes = [f"{number}." if len(models) > 1 else "" for number in range(len(models))]
    roots = list(zip(prefixes, models, strict=True))
    paths = [name for prefix, model in roots for name in _blocks(prefix, model)]
    while 0 < len(paths) < _FEWEST_BLOCKS:
        inner = [name for path in paths for name in _blocks(f"{path}.", _at(models, path))]
        if not inner:
            break
        paths = inner
    return paths


def _blocks(prefix: str, module: nn.Module) -> Iterator[str]:
    for name, child in module.named_children():
        listed = isinstance(module, nn.ModuleList | nn.Sequential)
        if listed and any(True for _ in child.children()):
            yield prefix + name
        elif not listed:
            yield from _blocks(f"{prefix}{name}.", child)


def recompute(step: TrainingStep, names: Sequence[str]) -> None:
    """Makes blocks keep only their inputs, and run again in the backward pass."""
    for name in names:
        block = _at(step.models, name)
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def _at(models: Sequence[nn.Module], path: str) -> nn.Module:
    root = models[0] if len(models) == 1 else nn.ModuleList(models)
    return root.get_submodule(path)
