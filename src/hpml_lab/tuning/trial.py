"""One trial: a configuration of a training, built and timed in a fresh process."""

import math
import multiprocessing
import time
from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import Any

import numpy as np
import psutil
import torch
from torch import nn
from torch.utils.data import DataLoader

from hpml_lab.errors import HpmlError
from hpml_lab.measure.clock import clock_for
from hpml_lab.measure.load import Waiting
from hpml_lab.measure.sampling import ROUND_S
from hpml_lab.memory.workload_plan import plan_changed
from hpml_lab.training.backends import unavailable
from hpml_lab.training.step import TrainingStep
from hpml_lab.training.workload import Workload, has_setting, seed_generators, setting, workload
from hpml_lab.tuning.apply import LoadedSteps, applied
from hpml_lab.tuning.settings import larger_batches

LOSSES = 5  # first steps whose losses are compared
_WARM_UP_S = 0.3
_SHORT_EPOCHS = 3  # times as long as a trial; of a longer one a part is timed
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def serve(
    name: str, parameters: Mapping[str, Any], config: Mapping[str, Any]
) -> Generator[dict[str, Any], float, None]:
    """Builds a training under some settings, and times its steps as often as it is asked.

    Args:
        name: Name of the workload.
        parameters: Its parameters.
        config: The settings.

    Yields:
        First ``samples`` of a step, ``first_s`` (seconds of building it and of its first step) and
        ``losses``. Then, for each number of seconds that is sent, ``sample_s`` (seconds of a
        sample), ``spent_s``, and ``waited_s`` (of these, for processors that others kept busy).
    """
    seed_generators()
    began_s = time.perf_counter()
    step = applied(workload(name), parameters, config)
    loaded = None if step.loader is None else LoadedSteps(step)
    take = loaded or step
    losses = [float(take())]
    first_s = time.perf_counter() - began_s
    losses += [float(take()) for _ in range(LOSSES - 1)]
    _warm_up(take)
    seconds = yield {"samples": step.samples or 1, "first_s": first_s, "losses": losses}
    timed = partial(_loaded, loaded) if loaded else partial(_stepped, step)
    while True:
        waiting, began_s = Waiting(), time.perf_counter()
        sample_s = timed(seconds)
        seconds = yield {
            "sample_s": sample_s,
            "spent_s": time.perf_counter() - began_s,
            "waited_s": waiting(),
        }


def _warm_up(take: Callable[[], Any]) -> None:
    until_s = time.perf_counter() + _WARM_UP_S
    while time.perf_counter() < until_s:
        take()


def _stepped(step: TrainingStep, seconds: float) -> float:
    """Returns the median seconds of a sample over rounds of steps."""
    clock = clock_for(step.device)

    def round_s(steps: int) -> float:
        clock.synchronise()
        began_s = clock.now_s()
        for _ in range(steps):
            step()
        clock.synchronise()
        return (clock.now_s() - began_s) / steps

    steps = max(1, math.ceil(ROUND_S / round_s(1)))  # the first one finds cold caches
    until_s, rounds_s = time.perf_counter() + seconds, [round_s(steps)]
    while time.perf_counter() < until_s:
        rounds_s.append(round_s(steps))
    return float(np.median(rounds_s)) / (step.samples or 1)


def _loaded(take: LoadedSteps, seconds: float) -> float:
    """Returns the mean seconds of a sample: batches come in bursts.

    Short epochs are timed whole: between them workers may start anew.
    """
    began_s = time.perf_counter()
    for _ in range(take.queued + 1):  # what workers have loaded while nobody asked
        take()
    batch_s = (time.perf_counter() - began_s) / (take.queued + 1)
    is_short = 0 < take.epoch * batch_s < _SHORT_EPOCHS * seconds
    for _ in range(take.left if is_short else 0):
        take()
    before, began_s = take.samples, time.perf_counter()
    while time.perf_counter() - began_s < seconds or (is_short and take.left):
        take()
    return (time.perf_counter() - began_s) / (take.samples - before)


def facts(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a workload tells about itself; see `settings.Facts`."""
    seed_generators()
    function = workload(name)
    step = applied(function, parameters, {})
    batch = _batch_size(function, parameters)
    return {
        "device": step.device,
        "threads": torch.get_num_threads(),
        "bfloat16": step.device != "cpu" or _has_bfloat16(),
        "convolutions": any(isinstance(m, _CONVOLUTIONS) for n in step.models for m in n.modules()),
        "optimizers": _implementations(step),
        "optimizer_share": _optimizer_share(step),
        "loader": isinstance(step.loader, DataLoader),
        "workers": getattr(step.loader, "num_workers", 0),
        "context": _context(step.loader),
        "wait_share": _wait_share(step),
        "batch_size": batch,
        "too_large": _too_large(function, parameters, step.device, batch) if batch else [],
        "compiles": unavailable("default", step.device) or "",
    }


def _context(loader: Any) -> str:
    """Returns how a loader's workers start: as it says, or as Python does by default."""
    context = getattr(loader, "multiprocessing_context", None) or multiprocessing.get_context()
    return str(context.get_start_method())


def _batch_size(function: Workload, parameters: Mapping[str, Any]) -> int | None:
    """Returns the workload's parameter of that name; None if it has none, or no number."""
    if not has_setting(function, "batch_size"):
        return None
    value = setting(function, parameters, "batch_size")
    return value if isinstance(value, int) else None


def _too_large(
    function: Workload, parameters: Mapping[str, Any], device: str, batch_size: int
) -> list[int]:
    """Returns the batch sizes of which the plan says that they do not fit into the free memory."""
    on_gpu = device == "cuda"
    free = torch.cuda.mem_get_info()[0] if on_gpu else psutil.virtual_memory().available
    found = []
    for size in larger_batches(batch_size):
        try:
            planned = plan_changed(function, {**parameters, "batch_size": size})
        except HpmlError:  # no plan: the trial itself will tell
            continue
        found += [size] if planned.peak_bytes > free else []
    return found


def _has_bfloat16() -> bool:
    has_onednn = torch.backends.mkldnn.is_available()
    return has_onednn and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _implementations(step: TrainingStep) -> list[str]:
    """Returns the implementations that all optimizers have and do not use by default."""
    groups = [group for o in step.optimizers for group in getattr(o, "param_groups", [])]
    flags = ("foreach", "fused") if step.device == "cpu" else ("fused",)  # a GPU's default: foreach
    return [
        flag
        for flag in flags
        if groups and all(flag in group and not group[flag] for group in groups)
    ]


def _optimizer_share(step: TrainingStep) -> float:
    """Returns the share of the optimizers' own steps in a step; 1 if they cannot be told apart."""
    if step.needs_closure or step.scaler:
        return 1.0
    clock, spent = clock_for(step.device), []
    for _ in range(3):
        clock.synchronise()
        began_s = clock.now_s()
        step()
        clock.synchronise()
        taken_s = clock.now_s()
        for optimizer in step.optimizers:
            optimizer.step()
        clock.synchronise()
        spent.append((clock.now_s() - taken_s) / (taken_s - began_s))
    return float(np.median(spent))


def _wait_share(step: TrainingStep) -> float:
    """Returns the share of a short training that waits for its loader; 0 without one."""
    if not isinstance(step.loader, DataLoader):
        return 0.0
    waited_s, began_s = 0.0, time.perf_counter()
    batches = iter(step.loader)
    while time.perf_counter() - began_s < 2.0:
        asked_s = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            batches = iter(step.loader)
            batch = next(batches)
        waited_s += time.perf_counter() - asked_s
        step.step(step.to_device(batch))
    return waited_s / (time.perf_counter() - began_s)
