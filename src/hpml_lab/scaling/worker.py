"""One rank: the declared step alone and with its gradients exchanged, started by torchrun.

    torchrun --nproc-per-node 2 -m hpml_lab.scaling.worker JOB.json

Ranks agree on everything: the job says how many rounds there are. Each has the same weights and the
same batch, so the averaged gradients must be those of one process.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.nn.parallel import DistributedDataParallel
from torch.profiler import profile

from hpml_lab.files import atomic_write
from hpml_lab.measure.clock import Clock, clock_for
from hpml_lab.memory.readings import step_memory
from hpml_lab.scaling.wrapping import one_model, replicated, sharded
from hpml_lab.training.batches import tensors
from hpml_lab.training.step import TrainingStep
from hpml_lab.training.workload import built, seed_generators, workload

_WARM_UP = 3
_SMALL_REPEATS, _LARGE_REPEATS = 20, 5  # of the all-reduces that give latency and bandwidth
_LARGE_BYTES = 1 << 24
_PROFILED = 3  # steps


def main(path: Path) -> None:
    """Runs one rank; the first one of each node writes the result beside the job."""
    _die_with_parent()
    job = json.loads(path.read_text())
    dist.init_process_group(job["backend"], timeout=timedelta(seconds=job["timeout_s"]))
    result = _measured(job)
    gathered: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(gathered, result)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        atomic_write(Path(job["result"]), json.dumps(gathered).encode())
    dist.barrier()
    dist.destroy_process_group()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _measured(job: dict[str, Any]) -> dict[str, Any]:
    """Returns the seconds of rounds with and without exchange, and what else this rank knows."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    seed_generators()
    step = built(workload(job["workload"]), job["parameters"])
    bare, device = one_model(step), step.device
    alone = _gradients(step, bare)
    ddp = job["strategy"] == "ddp"
    local = replicated(step, job.get("bucket_mib")) if ddp else sharded(step, _ranks(device))
    error = _largest_difference(alone, _gradients(step, bare)) if ddp else None
    clock = clock_for(device)
    latency_s, bytes_per_s = _all_reduce(clock, device)
    exchanged, kept = _rounds(step, clock, local, job["rounds"])
    exchange_s = _exchange_s(step)
    peak = step_memory(step, device)
    return {
        "exchanged_s": exchanged,
        "kept_s": kept,
        "exchange_s": exchange_s,
        "latency_s": latency_s,
        "bytes_per_s": bytes_per_s,
        "gradient_bytes": sum(g.numel() * g.element_size() for g in alone),
        "gradient_error": error,
        "peak_bytes": _alive(step, bare, alone) + peak.get("peak_step_bytes", 0)
        if device == "cpu"
        else peak["peak_allocated_bytes"],
    }


def _ranks(device: str) -> DeviceMesh:
    return init_device_mesh(device, (dist.get_world_size(),))


def _gradients(step: TrainingStep, model: nn.Module) -> list[torch.Tensor]:
    """Returns copies of the gradients of one step, whose update is undone."""
    before = {name: value.detach().clone() for name, value in model.state_dict().items()}
    seed_generators()  # dropout draws the same masks each time
    step()
    gradients = [p.grad.detach().clone() for p in model.parameters() if p.grad is not None]
    model.load_state_dict(before)
    return gradients


def _largest_difference(first: list[torch.Tensor], second: list[torch.Tensor]) -> float:
    """Returns the largest difference of two lists of gradients, relative to the largest of all."""
    largest = max(float(g.abs().max()) for g in first) or 1.0
    pairs = zip(first, second, strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs) / largest


def _all_reduce(clock: Clock, device: str) -> tuple[float, float]:
    """Returns latency and bandwidth of this world's all-reduce, of a number and of 16 MiB."""
    times = []
    for size, repeats in ((1, _SMALL_REPEATS), (_LARGE_BYTES // 4, _LARGE_REPEATS)):
        values = torch.zeros(size, device=device)
        dist.all_reduce(values)
        seen = []
        for _ in range(repeats):
            dist.barrier()
            seen.append(_timed(clock, partial(dist.all_reduce, values)))
        times.append(median(seen))
    small_s, large_s = times
    return small_s, _LARGE_BYTES / max(large_s - small_s, 1e-9)


def _rounds(
    step: TrainingStep, clock: Clock, local: Callable[[], Any], rounds: int
) -> tuple[list[float], list[float]]:
    """Returns the seconds of steps with exchange and without, in turn."""
    for _ in range(_WARM_UP):
        step()
    exchanged, kept = [], []
    for _ in range(rounds):
        dist.barrier()
        exchanged.append(_timed(clock, step))
        dist.barrier()
        with local():
            kept.append(_timed(clock, step))
    return exchanged, kept


def _exchange_s(step: TrainingStep) -> float:
    """Returns the seconds of a step's collective operations, by the profiler's record."""
    with profile(acc_events=True) as recorded:
        for _ in range(_PROFILED):
            step()
    names = ("gloo:", "nccl:")
    spans_us = [
        event.time_range.elapsed_us()
        for event in recorded.events() or ()
        if event.name.startswith(names)
    ]
    return float(sum(spans_us)) / 1e6 / _PROFILED


def _timed(clock: Clock, call: Callable[[], Any]) -> float:
    clock.synchronise()
    began_s = clock.now_s()
    call()
    clock.synchronise()
    return clock.now_s() - began_s


def _alive(step: TrainingStep, model: nn.Module, gradients: list[torch.Tensor]) -> int:
    """Returns the bytes of what lives on between steps: the buckets of DDP hold all gradients."""
    state = [v for o in step.optimizers for s in o.state.values() for v in s.values()]
    buckets = gradients if isinstance(step.model, DistributedDataParallel) else []
    alive = [*model.parameters(), *model.buffers(), *state, *tensors(step.batch), *buckets]
    local = [t.to_local() if hasattr(t, "to_local") else t for t in alive]
    return sum(t.numel() * t.element_size() for t in local if isinstance(t, torch.Tensor))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
