"""A trace of some steps by torch's profiler: one Chrome trace a case, and its heaviest operators.

A trace is recorded after all that is timed: the profiler slows a step down.
"""

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from hpml_lab.measure.clock import Clock
from hpml_lab.measure.counters import detach_cupti
from hpml_lab.runs.schema import HeavyOperator, Trace

_WARM_UP, _STEPS = 1, 3
_MOST = 10  # operators that a saved run keeps


def record_trace(step: Callable[[], Any], clock: Clock, file: Path) -> Trace:
    """Records some steps, with shapes, memory and stacks.

    Args:
        step: What to record; called four times, the first one without being recorded.
        clock: Clock of the devices that it works on.
        file: The file of the Chrome trace, which Perfetto and TensorBoard open.

    Raises:
        OSError: if the file cannot be written.
    """
    detach_cupti()
    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(ProfilerActivity.CUDA)
    file.parent.mkdir(parents=True, exist_ok=True)
    averages: list[Any] = []

    def keep(seen: Any) -> None:
        seen.export_chrome_trace(str(file))
        averages.extend(seen.key_averages())

    began_s = time.perf_counter()
    with profile(
        activities=activities,
        schedule=schedule(wait=0, warmup=_WARM_UP, active=_STEPS, repeat=1),
        on_trace_ready=keep,
        record_shapes=True,
        profile_memory=True,
        with_stack=True,
        acc_events=True,
    ) as seen:
        for number in range(_WARM_UP + _STEPS):
            if number == _WARM_UP:
                began_s = time.perf_counter()
            torch.compiler.cudagraph_mark_step_begin()  # a graph may overwrite earlier outputs
            step()
            clock.synchronise()
            if number == _WARM_UP + _STEPS - 1:
                wall_s = time.perf_counter() - began_s
            seen.step()
    return _summary(averages, wall_s, file.name)


def trace_file(folder: Path, nodeid: str) -> Path:
    """File of a case's trace: readable, and different for any other case."""
    readable = re.sub(r"[^A-Za-z0-9=.-]+", "_", nodeid.rpartition("/")[2])[:100].strip("_")
    digest = hashlib.sha256(nodeid.encode()).hexdigest()[:8]
    return folder / f"{readable}-{digest}.pt.trace.json"  # the name that TensorBoard looks for


def _summary(averages: Any, wall_s: float, file: str) -> Trace:
    operators = [
        HeavyOperator(
            name=event.key,
            calls=event.count / _STEPS,
            host_s=event.self_cpu_time_total / 1e6 / _STEPS,
            device_s=event.self_device_time_total / 1e6 / _STEPS,
        )
        for event in averages
        if not event.key.startswith("ProfilerStep")
    ]
    on_device = any(operator.device_s for operator in operators)
    times = {
        operator: operator.device_s if on_device else operator.host_s for operator in operators
    }
    step_s, busy_s = wall_s / _STEPS, sum(times.values())
    heaviest = sorted(operators, key=lambda operator: -times[operator])
    return Trace(
        file=file,
        step_s=step_s,
        idle_share=max(0.0, 1 - busy_s / step_s),
        operators=heaviest[:_MOST],
    )
