"""Counts of a step: parameters, FLOP, operators, kernel launches, bytes moved, memory."""

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

from hpml_lab.measure.out_of_memory import release_cached_memory
from hpml_lab.measure.subject import Subject
from hpml_lab.memory.network_counts import summarise, traffic
from hpml_lab.memory.readings import step_memory
from hpml_lab.training.batches import own_bytes, tensors
from hpml_lab.training.flops import OperatorCounter
from hpml_lab.training.optimizers import optimizer_state

_LAUNCHES = re.compile(r"cu(da)?Launch(Cooperative)?Kernel|cu(da)?GraphLaunch")


def network_counters(
    model: nn.Module, input_shape: tuple[int, ...] = (3, 32, 32), precision: str = "float32"
) -> dict[str, int]:
    """Returns the counts of a network: its summary, and the operators and bytes of a step.

    Args:
        model: Not compiled; left unchanged.
        input_shape: Shape of one sample, without the batch.
        precision: ``float32``, or ``bfloat16`` for autocast.

    Returns:
        The counts of `memory.network_counts.Summary` by name, without the layers; ``operators``,
        ``naive_bytes_per_sample`` and ``naive_bytes_per_step`` as in
        `memory.network_counts.Traffic`.
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
    """Counts of a step.

    Attributes:
        counters: Exact integers by name.
        memory: Bytes by name.
        flags: One sentence for each count that failed or is incomplete.
    """

    counters: dict[str, int] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)

    def add(self, what: str, kept: dict[str, int], count: Callable[[], dict[str, int]]) -> None:
        """Adds counts to `kept`; an error of the count becomes a flag that names it."""
        try:
            kept |= count()
        except Exception as error:  # noqa: BLE001 - a measured time is not lost to a count
            first = next(iter(str(error).splitlines()), "")
            self.flags.append(f"{what} is not counted: {type(error).__name__}: {first}")


def count_step(
    step: Callable[[], Any], subject: Subject, *, calls: int = 1, compiled: bool = False
) -> Counts:
    """Counts a step that has run before; it runs a few additional steps.

    Args:
        step: The step that the subject describes.
        subject: Its model, optimizer and batch; what is unknown is not counted.
        calls: Calls per cycle; counts are per call, rounded to a whole number.
        compiled: Whether any of it is compiled, so that its operators are not dispatched; FLOP are
            those of the same step in eager mode.

    Returns:
        ``parameters`` (elements), ``sample_bytes`` (of the batch, targets included), the counts
        of `optimizer_state`, ``step_flops`` (multiply-add = 2), ``step_operators`` (dispatched
        that launch work), ``step_moved_bytes`` (bytes they read and write), ``kernel_launches`` on
        CUDA, where a replayed graph counts once, left out if the profiler sees none; and the
        memory of `step_memory`.
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
        release_cached_memory()  # else that of autotuning and graph warm-up would count as reserved
    if device in {"cpu", "cuda"}:
        counts.add("memory", counts.memory, lambda: step_memory(step, device, calls))
    else:
        counts.flags.append(f"memory is not measured on {device}")
    return counts


def _parameters(subject: Subject) -> dict[str, int]:
    unique = {id(p): p for model in subject.models for p in model.parameters()}
    return {"parameters": sum(p.numel() for p in unique.values())}


def _sample_bytes(subject: Subject, flags: list[str]) -> dict[str, int]:
    if subject.samples is None:
        flags.append(
            "sample_bytes is not counted: the batch does not tell how many samples it holds, as "
            "its tensors do not agree on dimension 0 or it may be another; give samples="
        )
        return {}
    batch_bytes = sum(own_bytes(tensor) for tensor in tensors(subject.batch))
    return {"sample_bytes": batch_bytes // subject.samples}


def _dispatched(
    step: Callable[[], Any], calls: int, compiled: bool, flags: list[str]
) -> dict[str, int]:
    stance = torch.compiler.set_stance("force_eager") if compiled else nullcontext()
    with stance, OperatorCounter() as seen:
        for _ in range(calls):
            step()
    if seen.left_out:
        flags.append(f"step_flops leaves out: {', '.join(sorted(seen.left_out))}")
    counts = {"step_flops": seen.flops}
    if compiled:
        flags.append("step_operators is not counted: the step is compiled")
    else:
        counts |= {"step_operators": seen.operators, "step_moved_bytes": seen.moved_bytes}
    return {name: round(number / calls) for name, number in counts.items()}


def _launches(step: Callable[[], Any]) -> dict[str, int]:
    # Without permission for CUPTI the profiler sees no driver call.
    if launches := kernel_launches(profiled(step)):
        return {"kernel_launches": launches}
    return {}


def kernel_launches(events: Iterable[Any]) -> int:
    """Returns the number of CUDA runtime or driver calls that launch a kernel or a CUDA graph.

    A driver call within a runtime call is the same launch.

    Args:
        events: As `profiled` returns them.
    """
    calls = [event for event in events if _LAUNCHES.match(event.name)]
    ended: dict[int, float] = {}
    launches = 0
    for call in sorted(calls, key=lambda call: (call.time_range.start, -call.time_range.end)):
        if call.time_range.start >= ended.get(call.thread, call.time_range.start):
            ended[call.thread] = call.time_range.end
            launches += 1
    return launches


def detach_cupti() -> None:
    """Detaches CUPTI after a profile: later timings would be 10 % slower (pytorch issue 144455)."""
    os.environ.setdefault("TEARDOWN_CUPTI", "1")


def profiled(step: Callable[[], Any]) -> list[Any]:
    """Returns the events of torch's profiler during a step: host calls and CUDA kernels.

    Each event has a ``name``, a ``device_type``, a ``thread`` and a ``time_range``.
    """
    detach_cupti()
    torch.compiler.cudagraph_mark_step_begin()  # a graph may overwrite outputs of the last step
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA], acc_events=True) as seen:
        step()
    return list(seen.events() or [])
