"""Exact counts: of a network, and of a step that is run."""

import os
import re
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from hpml_lab.measure.memory import step_memory
from hpml_lab.measure.out_of_memory import give_back
from hpml_lab.measure.subject import Subject
from hpml_lab.workloads.batches import own_bytes, tensors
from hpml_lab.workloads.operators import OperatorCounter
from hpml_lab.workloads.optimizer_state import optimizer_state
from hpml_lab.workloads.summary import summarise
from hpml_lab.workloads.traffic import traffic

_LAUNCHES = re.compile(r"cu(da)?Launch(Cooperative)?Kernel|cu(da)?GraphLaunch")


def network_counters(
    model: nn.Module, input_shape: tuple[int, ...] = (3, 32, 32), precision: str = "float32"
) -> dict[str, int]:
    """Returns the counts of `workloads.summary.Summary`, and what a step dispatches and moves.

    Args:
        model: not compiled; left as it was.
        input_shape: shape of one sample, without the batch.
        precision: ``float32``, or ``bfloat16`` for autocast.

    Returns:
        the summary's counts by name, without the layer table; ``operators``,
        ``naive_bytes_per_sample`` and ``naive_bytes_per_step`` as in `workloads.traffic.Traffic`.
    """
    counts = dict(vars(summarise(model, input_shape)))
    del counts["layers"]
    moved = traffic(model, input_shape, precision)
    return counts | {
        "operators": moved.operators,
        "naive_bytes_per_sample": moved.per_sample_bytes,
        "naive_bytes_per_step": moved.per_step_bytes,
    }


@dataclass
class Counts:
    """What was counted of a step.

    Attributes:
        counters: exact integers by name.
        memory: bytes by name.
        flags: what could not be counted, or is left out, in a sentence each.
    """

    counters: dict[str, int] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)

    def add(self, what: str, kept: dict[str, int], count: Callable[[], dict[str, int]]) -> None:
        """Adds what can be counted; an error of the count becomes a flag that names it."""
        try:
            kept |= count()
        except Exception as error:  # noqa: BLE001 - a measured time is not lost to a count
            first = next(iter(str(error).splitlines()), "")
            self.flags.append(f"{what} is not counted: {type(error).__name__}: {first}")


def count_step(
    step: Callable[[], Any], subject: Subject, *, calls: int = 1, compiled: bool = False
) -> Counts:
    """Counts a step that has run before; it takes a few further steps.

    Args:
        step: of which the subject is told.
        subject: what it works on; what is not known of it is not counted.
        calls: so many are one cycle; counts are of one call, to the nearest whole number.
        compiled: whether any of it is compiled, so that its operators are not dispatched; FLOP are
            those of the same step, not compiled.

    Returns:
        ``parameters`` (elements), ``sample_bytes`` (of the batch, targets included), those of
        `optimizer_state`, ``step_flops`` (multiply-add = 2), ``step_operators`` (dispatched that
        launch work), ``step_moved_bytes`` (what they read and write), ``kernel_launches`` on CUDA,
        where a replayed graph counts once and which is left out where the driver tells of none;
        and the memory of `step_memory`.
    """
    counts = Counts()
    if subject.models:
        counts.add("parameters", counts.counters, lambda: _parameters(subject))
    if subject.batch is not None:
        counts.add("sample_bytes", counts.counters, lambda: _sample_bytes(subject, counts.flags))
    if subject.optimizers:
        state = partial(optimizer_state, *subject.optimizers)
        counts.add("optimizer_state_bytes", counts.counters, state)
    dispatched = partial(_dispatched, step, calls, compiled, counts.flags)
    counts.add("step_flops", counts.counters, dispatched)
    device = subject.device or "cpu"
    if device == "cuda":
        launches = partial(_launches, step)
        counts.add("kernel_launches", counts.counters, launches)
    if compiled:
        give_back()  # what the compiler tried and what graphs warmed up with would be reserved
    if device in {"cpu", "cuda"}:
        counts.add("memory", counts.memory, lambda: step_memory(step, device, calls))
    else:
        counts.flags.append(f"memory is not measured on {device}")
    return counts


def _parameters(subject: Subject) -> dict[str, int]:
    held = {id(p): p for model in subject.models for p in model.parameters()}
    return {"parameters": sum(p.numel() for p in held.values())}


def _sample_bytes(subject: Subject, flags: list[str]) -> dict[str, int]:
    if subject.samples is None:
        flags.append(
            "sample_bytes is not counted: the batch does not tell how many samples it holds, as "
            "its tensors do not agree on dimension 0 or it may be another; give samples="
        )
        return {}
    held = sum(own_bytes(tensor) for tensor in tensors(subject.batch))
    return {"sample_bytes": held // subject.samples}


def _dispatched(
    step: Callable[[], Any], calls: int, compiled: bool, flags: list[str]
) -> dict[str, int]:
    stance = torch.compiler.set_stance("force_eager") if compiled else nullcontext()
    with stance, OperatorCounter() as seen:
        for _ in range(calls):
            step()
    if seen.left_out:
        flags.append(f"step_flops leaves out: {', '.join(sorted(seen.left_out))}")
    found = {"step_flops": seen.flops}
    if compiled:
        flags.append("step_operators is not counted: the step is compiled")
    else:
        found |= {"step_operators": seen.operators, "step_moved_bytes": seen.moved_bytes}
    return {name: round(number / calls) for name, number in found.items()}


def _launches(step: Callable[[], Any]) -> dict[str, int]:
    # Without permission for CUPTI the profiler sees no call of the driver.
    if launches := kernel_launches(profiled(step)):
        return {"kernel_launches": launches}
    return {}


def kernel_launches(events: Iterable[Any]) -> int:
    """Returns how many calls of CUDA's runtime or driver launch a kernel or a graph of kernels.

    A call of the driver within one of the runtime is the same launch.

    Args:
        events: as `profiled` gives them.
    """
    calls = [event for event in events if _LAUNCHES.match(event.name)]
    ended: dict[int, float] = {}
    launches = 0
    for call in sorted(calls, key=lambda call: (call.time_range.start, -call.time_range.end)):
        if call.time_range.start >= ended.get(call.thread, call.time_range.start):
            ended[call.thread] = call.time_range.end
            launches += 1
    return launches


def profiled(step: Callable[[], Any]) -> list[Any]:
    """Returns the events of torch's profiler during a step: the host's calls, and CUDA's kernels.

    Each has a ``name``, a ``device_type``, a ``thread`` and a ``time_range``.
    """
    # Else CUPTI stays attached behind the profile, and what is timed later is slower by a tenth
    # (pytorch issue 144455).
    os.environ.setdefault("TEARDOWN_CUPTI", "1")
    torch.compiler.cudagraph_mark_step_begin()  # a graph may write over what the last step gave
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA], acc_events=True) as seen:
        step()
    return list(seen.events() or [])
