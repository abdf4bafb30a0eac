"""Exact counts: of a network, of a step that is run, and of what torch.compile did."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from hpml_lab.measure.memory import optimizer_state
from hpml_lab.workloads.step import TrainingStep
from hpml_lab.workloads.summary import summarise
from hpml_lab.workloads.traffic import OperatorCounter, traffic

_RECOMPILED = re.compile(r"/[1-9]")
_LAUNCHES = re.compile(r"cu(da)?LaunchKernel|cu(da)?GraphLaunch")


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


def step_counters(step: TrainingStep) -> dict[str, int]:
    """Returns the counts of one more step, optimizer included; it trains by a few further steps.

    Args:
        step: has run before, so that its optimizer has its state.

    Returns:
        ``parameters`` (elements); ``sample_bytes`` (of the batch, targets included); those of
        `optimizer_state`; ``step_flops`` (convolutions and matrix products, multiply-add = 2) and
        ``step_operators`` (dispatched that launch work), both unless a module is compiled, whose
        operators are no longer dispatched; ``kernel_launches`` on CUDA, where a replayed graph
        counts once.
    """
    counts = {
        "parameters": sum(p.numel() for p in step.model.parameters()),
        "sample_bytes": sum(part.nbytes for part in step.batch) // step.samples,
    }
    counts |= optimizer_state(step.optimizer)
    if not any(hasattr(module, "_orig_mod") for module in step.model.modules()):
        with FlopCounterMode(display=False) as flops, OperatorCounter() as operators:
            step()
        counts |= {"step_flops": flops.get_total_flops(), "step_operators": operators.operators}
    if step.device == "cuda":
        counts["kernel_launches"] = kernel_launches(_runtime_calls(step))
    return counts


def kernel_launches(calls: Iterable[str]) -> int:
    """Returns how many of the CUDA runtime's calls launch a kernel or a graph of kernels."""
    return sum(bool(_LAUNCHES.match(name)) for name in calls)


def _runtime_calls(step: Callable[[], Any]) -> list[str]:
    torch.compiler.cudagraph_mark_step_begin()  # a graph may write over what the last step gave
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA], acc_events=True) as seen:
        step()
    return [event.name for event in seen.events() or []]


@contextmanager
def compilation_counters() -> Iterator[dict[str, int]]:
    """Counts what torch.compile does inside; the counts are there when the block has ended.

    Yields:
        an empty dict, filled at the end: ``graphs``, ``graph_breaks`` and ``recompiles`` (frames
        compiled again because a guard failed, such as for a second shape).
    """
    # torch keeps no public count; these are the ones behind its own TORCH_LOGS summaries.
    from torch._dynamo import utils

    counts: dict[str, int] = {}
    utils.counters.clear()
    utils.clear_compilation_metrics()
    yield counts
    compile_ids = [str(metrics.compile_id) for metrics in utils.get_compilation_metrics()]
    counts["graphs"] = utils.counters["stats"]["unique_graphs"]
    counts["graph_breaks"] = sum(utils.counters["graph_break"].values())
    counts["recompiles"] = sum(bool(_RECOMPILED.search(compile_id)) for compile_id in compile_ids)
