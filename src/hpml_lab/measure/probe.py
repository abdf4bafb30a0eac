"""What only a GPU can tell, asked in about a minute: ``hpml-lab machine --probe``."""

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

from hpml_lab.measure import kept
from hpml_lab.measure.clock import DeviceClock, tick_s
from hpml_lab.measure.context import context_bytes
from hpml_lab.measure.counters import kernel_launches, profiled
from hpml_lab.measure.cuda_memory import cuda_peak
from hpml_lab.measure.cuda_timeline import cuda_timeline, history_kept
from hpml_lab.measure.gpus import gpus, used_bytes
from hpml_lab.measure.numerics import numerics
from hpml_lab.measure.out_of_memory import OutOfMemory, attempt, give_back
from hpml_lab.measure.sampling import sample
from hpml_lab.measure.stopping import UntilPrecise
from hpml_lab.units import GIB, MIB
from hpml_lab.workloads.compilation import empty_caches
from hpml_lab.workloads.profiles import profile_for
from hpml_lab.workloads.trainer import Trainer

METHOD = 1  # raise it when what is asked, or how, changes
_NAME = "probe"
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - of loader workers; only its size is asked for
_CARD_BYTES = 8188 * MIB
_SIDE = 8192
_SHORT = 3  # entries of the allocator's history within which a workspace is freed again
_MOST = 12

Found = dict[str, Any]


def trained(batch: int = 128, **changes: Any) -> Trainer:
    """Returns a trainer of the lab's network on the GPU with one batch of images."""
    training = profile_for("full", "cuda").training
    return Trainer(replace(training, batch_size=batch, images=batch, workers=0, **changes))


def typical_s(step: Callable[[], Any]) -> float:
    """Returns the median seconds of a step within about a second."""
    return median(sample(step, DeviceClock(), UntilPrecise(budget_s=1)).rounds_s)


def machine() -> Found:
    """What is there: boards, memory, shared memory, processors, settings, the clock's tick."""
    return {
        "gpus": [asdict(gpu) for gpu in gpus()],
        "used_bytes": used_bytes(),
        "free_and_total_bytes": torch.cuda.mem_get_info(),
        "shared_memory_bytes": shutil.disk_usage(_SHARED_MEMORY).total,
        "processors": len(os.sched_getaffinity(0)),
        "numerics": numerics("cuda"),
        "tick_s": tick_s(DeviceClock()),
    }


def context() -> Found:
    """What CUDA's context takes, measured in another process."""
    return {"context_bytes": context_bytes()}


def clock() -> Found:
    """A matrix product of known work: the host's seconds are the device's and a little more."""
    matrix = torch.randn(_SIDE, _SIDE, device="cuda", dtype=torch.bfloat16)
    seen = sample(lambda: matrix @ matrix, DeviceClock(), UntilPrecise(budget_s=0.5))
    host_s = median(seen.rounds_s)
    return {
        "host_s": host_s,
        "device_s": seen.how.device_s,
        "flops_per_s": 2 * _SIDE**3 / host_s,
    }


def counting() -> Found:
    """Whether a profile slows what is timed behind it; launches against kernels."""
    step = trained(16).fixed_step()
    before_s = [typical_s(step) for _ in range(2)]
    events = profiled(step)
    behind_s = [typical_s(step) for _ in range(2)]
    return {"before_s": before_s, "behind_s": behind_s} | launches(events)


def launches(events: Sequence[Any]) -> dict[str, int]:
    """Returns how many launches, and how many kernels, a profile has seen."""
    on_device = [event for event in events if str(event.device_type).endswith("CUDA")]
    return {
        "launches": kernel_launches(events),
        "kernels": sum(not event.name.startswith("Mem") for event in on_device),
    }


def workspaces() -> Found:
    """What convolutions take beside their tensors: the largest blocks that live for a moment."""
    found: Found = {}
    convolutions: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = convolutions.fp32_precision
    try:
        for precision in ("tf32", "ieee"):
            convolutions.fp32_precision = precision
            step = trained(batch_norm=False).fixed_step()
            step()
            found[precision] = {"short_lived_bytes": short_lived(history(step)), **cuda_peak(step)}
    finally:
        convolutions.fp32_precision = before
    return found


def history(step: Callable[[], Any], memory: Any = torch.cuda.memory) -> list[dict[str, Any]]:
    """Returns the allocator's history of a step."""
    with history_kept(memory):
        step()
        entries: list[dict[str, Any]] = memory._snapshot()["device_traces"][0]
    return entries


def short_lived(entries: Iterable[dict[str, Any]]) -> list[int]:
    """Returns the largest blocks that are freed again at once, in bytes, largest first."""
    live: dict[int, tuple[int, int]] = {}
    found = []
    for index, entry in enumerate(entries):
        if entry["action"] == "alloc":
            live[entry["addr"]] = index, entry["size"]
        elif entry["action"] == "free_completed" and entry["addr"] in live:
            begun, size = live.pop(entry["addr"])
            found += [size] if index - begun <= _SHORT else []
    return sorted(found, reverse=True)[:_MOST]


def timeline() -> Found:
    """The history and the counters tell of one peak."""
    step = trained(64).fixed_step()
    step()
    seen = cuda_timeline(step)
    step.zero_grad()
    asked = cuda_peak(step)["peak_requested_bytes"]
    return {"timeline_peak_bytes": seen.peak_bytes, "peak_requested_bytes": asked}


def out_of_memory() -> Found:
    """What is beyond a card of 8 GiB is refused at once, and read as such."""
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction(_CARD_BYTES / total)
    try:
        found = attempt(lambda: torch.empty(9 * GIB, dtype=torch.uint8, device="cuda"))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    return {"refused": asdict(found) if isinstance(found, OutOfMemory) else None}


def graphs() -> Found:
    """CUDA graphs against eager: seconds, and what replays allocate and reserve."""
    step = trained(compile_mode="reduce-overhead").fixed_step()
    with empty_caches("cuda"):
        began_s = time.perf_counter()
        for _ in range(4):
            step()
        torch.cuda.synchronize()
        compiling_s = time.perf_counter() - began_s
    give_back()
    peaks = cuda_peak(step)  # before the eager step leaves anything in the cache
    seconds = {"step_s": typical_s(step), "eager_s": typical_s(trained().fixed_step())}
    return {"compiling_s": compiling_s, **seconds, **peaks}


CHECKS: dict[str, Callable[[], Found]] = {
    check.__name__: check
    for check in (
        machine,
        context,
        clock,
        out_of_memory,
        timeline,
        workspaces,
        graphs,
        counting,  # last: what a profile leaves behind is what it asks for
    )
}


def probe(
    say: Callable[[str], object], checks: dict[str, Callable[[], Found]] = CHECKS
) -> dict[str, Found]:
    """Runs all checks, and keeps their numbers in the cache folder if there are any.

    Args:
        say: takes a line of JSON for each as soon as it has ended.
        checks: by name.

    Returns:
        what was found by the name of the check; ``error`` in its place where it failed, which
        loses no other.
    """
    found: dict[str, Found] = {}
    for name, check in checks.items():
        began_s = time.perf_counter()
        try:
            found[name] = check()
        except Exception as error:  # noqa: BLE001 - each check is evidence of its own
            first = next(iter(str(error).splitlines()), "")
            found[name] = {"error": f"{type(error).__name__}: {first}"}
        spent_s = round(time.perf_counter() - began_s, 1)
        say(json.dumps({"check": name, "seconds": spent_s, "found": found[name]}, default=str))
    if numbers := facts(found):
        kept.keep(_NAME, METHOD, numbers)
    return found


def facts(found: Mapping[str, Found]) -> dict[str, float]:
    """Returns the numbers of a probe by name; without those of checks that failed.

    Ratios are ``host_over_device`` of the clock (above 1 by what a launch costs) and
    ``behind_over_before`` of a step behind a profile; bytes are of the largest workspace of a
    convolution, of the context, of one peak read in two ways, and of a replayed graph.
    """
    readers: dict[str, Callable[[], float]] = {
        "context_bytes": lambda: found["context"]["context_bytes"],
        "host_over_device": lambda: found["clock"]["host_s"] / found["clock"]["device_s"],
        "behind_over_before": lambda: (
            median(found["counting"]["behind_s"]) / median(found["counting"]["before_s"])
        ),
        "launches": lambda: found["counting"]["launches"],
        "kernels": lambda: found["counting"]["kernels"],
        "workspace_tf32_bytes": lambda: found["workspaces"]["tf32"]["short_lived_bytes"][0],
        "workspace_float32_bytes": lambda: found["workspaces"]["ieee"]["short_lived_bytes"][0],
        "timeline_peak_bytes": lambda: found["timeline"]["timeline_peak_bytes"],
        "requested_peak_bytes": lambda: found["timeline"]["peak_requested_bytes"],
        "graph_over_eager": lambda: found["graphs"]["step_s"] / found["graphs"]["eager_s"],
        "graph_allocated_bytes": lambda: found["graphs"]["peak_allocated_bytes"],
        "graph_reserved_bytes": lambda: found["graphs"]["peak_reserved_bytes"],
    }
    numbers: dict[str, float] = {}
    for name, read in readers.items():
        with suppress(KeyError, IndexError, TypeError, ZeroDivisionError):
            numbers[name] = float(read())
    return numbers


def recall() -> dict[str, float]:
    """Returns the numbers of the last probe of this machine; none if there was none."""
    known: dict[str, float] | None = kept.recall(_NAME, METHOD, dict[str, float])
    return known or {}
