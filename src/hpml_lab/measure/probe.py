"""Checks of a GPU that take about a minute: ``hpml-lab machine --probe``."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from statistics import median
from typing import Any

import torch

from hpml_lab.measure import machine_cache
from hpml_lab.measure.clock import DeviceClock, tick_s
from hpml_lab.measure.context import context_bytes
from hpml_lab.measure.counters import kernel_launches, profiled
from hpml_lab.measure.gpus import gpus, used_bytes
from hpml_lab.measure.out_of_memory import OutOfMemory, attempt, release_cached_memory
from hpml_lab.measure.sampling import sample
from hpml_lab.measure.stopping import UntilPrecise
from hpml_lab.measure.torch_settings import numerics
from hpml_lab.memory.cuda_timeline import cuda_timeline, history_kept
from hpml_lab.memory.readings import cuda_peak
from hpml_lab.training.backends import empty_caches
from hpml_lab.training.profiles import profile_for
from hpml_lab.training.trainer import Trainer
from hpml_lab.units import GIB, MIB

METHOD = 1  # increment it when the checks change
_NAME = "probe"
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - of loader workers; only its size is read
_CARD_BYTES = 8188 * MIB
_SIDE = 8192
_SHORT = 3  # entries of the allocator's history within which a workspace is freed
_MOST = 12

Answers = dict[str, Any]


def trained(batch: int = 128, **changes: Any) -> Trainer:
    """Returns a trainer of the lab's network on the GPU with one batch of images."""
    training = profile_for("full", "cuda").training
    return Trainer(replace(training, batch_size=batch, images=batch, workers=0, **changes))


def typical_s(step: Callable[[], Any]) -> float:
    """Returns the median seconds of a step within about a second."""
    return median(sample(step, DeviceClock(), UntilPrecise(budget_s=1)).rounds_s)


def machine() -> Answers:
    """GPUs, memory, shared memory, processors, numerics, and resolution of the clock."""
    return {
        "gpus": [asdict(gpu) for gpu in gpus()],
        "used_bytes": used_bytes(),
        "free_and_total_bytes": torch.cuda.mem_get_info(),
        "shared_memory_bytes": shutil.disk_usage(_SHARED_MEMORY).total,
        "processors": len(os.sched_getaffinity(0)),
        "numerics": numerics("cuda"),
        "tick_s": tick_s(DeviceClock()),
    }


def context() -> Answers:
    """Size of the CUDA context, measured in a fresh process."""
    return {"context_bytes": context_bytes()}


def clock() -> Answers:
    """Host time and device time of a matrix product with a known FLOP count."""
    matrix = torch.randn(_SIDE, _SIDE, device="cuda", dtype=torch.bfloat16)
    seen = sample(lambda: matrix @ matrix, DeviceClock(), UntilPrecise(budget_s=0.5))
    host_s = median(seen.rounds_s)
    return {
        "host_s": host_s,
        "device_s": seen.how.device_s,
        "flops_per_s": 2 * _SIDE**3 / host_s,
    }


def counting() -> Answers:
    """Step times before and after a profile, and the launches and kernels in it."""
    step = trained(16).fixed_step()
    before_s = [typical_s(step) for _ in range(2)]
    events = profiled(step)
    after_s = [typical_s(step) for _ in range(2)]
    return {"before_s": before_s, "behind_s": after_s} | launches(events)


def launches(events: Sequence[Any]) -> dict[str, int]:
    """Returns the number of launches and the number of kernels in a profile."""
    on_device = [event for event in events if str(event.device_type).endswith("CUDA")]
    return {
        "launches": kernel_launches(events),
        "kernels": sum(not event.name.startswith("Mem") for event in on_device),
    }


def workspaces() -> Answers:
    """Workspaces of convolutions: the largest short-lived blocks, and the peaks of a step."""
    answers: Answers = {}
    convolutions: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = convolutions.fp32_precision
    try:
        for precision in ("tf32", "ieee"):
            convolutions.fp32_precision = precision
            step = trained(batch_norm=False).fixed_step()
            step()
            blocks = short_lived(history(step))
            answers[precision] = {"short_lived_bytes": blocks, **cuda_peak(step)}
    finally:
        convolutions.fp32_precision = before
    return answers


def history(step: Callable[[], Any], memory: Any = torch.cuda.memory) -> list[dict[str, Any]]:
    """Returns the allocator's history of a step."""
    with history_kept(memory):
        step()
        entries: list[dict[str, Any]] = memory._snapshot()["device_traces"][0]
    return entries


def short_lived(entries: Iterable[dict[str, Any]]) -> list[int]:
    """Returns the sizes of the largest short-lived blocks in bytes, largest first."""
    live: dict[int, tuple[int, int]] = {}
    sizes = []
    for index, entry in enumerate(entries):
        if entry["action"] == "alloc":
            live[entry["addr"]] = index, entry["size"]
        elif entry["action"] == "free_completed" and entry["addr"] in live:
            begun, size = live.pop(entry["addr"])
            sizes += [size] if index - begun <= _SHORT else []
    return sorted(sizes, reverse=True)[:_MOST]


def timeline() -> Answers:
    """Peak of a step from the allocator's history and from its counters."""
    step = trained(64).fixed_step()
    step()
    seen = cuda_timeline(step)
    step.zero_grad()
    requested = cuda_peak(step)["peak_requested_bytes"]
    return {"timeline_peak_bytes": seen.peak_bytes, "peak_requested_bytes": requested}


def out_of_memory() -> Answers:
    """Error of an allocation beyond the memory limit of an 8 GiB GPU."""
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction(_CARD_BYTES / total)
    try:
        refusal = attempt(lambda: torch.empty(9 * GIB, dtype=torch.uint8, device="cuda"))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    return {"refused": asdict(refusal) if isinstance(refusal, OutOfMemory) else None}


def graphs() -> Answers:
    """Step times with CUDA graphs and in eager mode; memory that replays allocate and reserve."""
    step = trained(compile_mode="reduce-overhead").fixed_step()
    with empty_caches("cuda"):
        began_s = time.perf_counter()
        for _ in range(4):
            step()
        torch.cuda.synchronize()
        compiling_s = time.perf_counter() - began_s
    release_cached_memory()
    peaks = cuda_peak(step)  # before the eager step leaves anything in the cache
    seconds = {"step_s": typical_s(step), "eager_s": typical_s(trained().fixed_step())}
    return {"compiling_s": compiling_s, **seconds, **peaks}


CHECKS: dict[str, Callable[[], Answers]] = {
    check.__name__: check
    for check in (
        machine,
        context,
        clock,
        out_of_memory,
        timeline,
        workspaces,
        graphs,
        counting,  # last: it measures the after-effects of a profile
    )
}


def probe(
    say: Callable[[str], object], checks: dict[str, Callable[[], Answers]] = CHECKS
) -> dict[str, Answers]:
    """Runs all checks, and keeps their numbers in the cache folder if there are any.

    Args:
        say: Prints one line of JSON per check when it ends.
        checks: Checks by name.

    Returns:
        Answers by name of the check; ``error`` instead for a check that failed, which does not stop
        the others.
    """
    answers: dict[str, Answers] = {}
    for name, check in checks.items():
        began_s = time.perf_counter()
        try:
            answers[name] = check()
        except Exception as error:  # noqa: BLE001 - the checks are independent
            first = next(iter(str(error).splitlines()), "")
            answers[name] = {"error": f"{type(error).__name__}: {first}"}
        spent_s = round(time.perf_counter() - began_s, 1)
        say(json.dumps({"check": name, "seconds": spent_s, "found": answers[name]}, default=str))
    if numbers := facts(answers):
        machine_cache.keep(_NAME, METHOD, numbers)
    return answers


def facts(answers: Mapping[str, Answers]) -> dict[str, float]:
    """Returns the numbers of a probe by name; without those of checks that failed.

    Ratios are ``host_over_device`` of the clock (above 1 by the cost of a launch) and
    ``behind_over_before`` of the step times after and before a profile; bytes are of the largest
    workspace of a convolution, of the context, of one peak from two sources, and of a replayed
    graph.
    """
    readers: dict[str, Callable[[], float]] = {
        "context_bytes": lambda: answers["context"]["context_bytes"],
        "host_over_device": lambda: answers["clock"]["host_s"] / answers["clock"]["device_s"],
        "behind_over_before": lambda: (
            median(answers["counting"]["behind_s"]) / median(answers["counting"]["before_s"])
        ),
        "launches": lambda: answers["counting"]["launches"],
        "kernels": lambda: answers["counting"]["kernels"],
        "workspace_tf32_bytes": lambda: answers["workspaces"]["tf32"]["short_lived_bytes"][0],
        "workspace_float32_bytes": lambda: answers["workspaces"]["ieee"]["short_lived_bytes"][0],
        "timeline_peak_bytes": lambda: answers["timeline"]["timeline_peak_bytes"],
        "requested_peak_bytes": lambda: answers["timeline"]["peak_requested_bytes"],
        "graph_over_eager": lambda: answers["graphs"]["step_s"] / answers["graphs"]["eager_s"],
        "graph_allocated_bytes": lambda: answers["graphs"]["peak_allocated_bytes"],
        "graph_reserved_bytes": lambda: answers["graphs"]["peak_reserved_bytes"],
    }
    numbers: dict[str, float] = {}
    for name, read in readers.items():
        with suppress(KeyError, IndexError, TypeError, ZeroDivisionError):
            numbers[name] = float(read())
    return numbers


def recall() -> dict[str, float]:
    """Returns the numbers of the last probe of this machine; empty without one."""
    known: dict[str, float] | None = machine_cache.recall(_NAME, METHOD, dict[str, float])
    return known or {}
