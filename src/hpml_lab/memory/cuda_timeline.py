"""Timeline of a real step on CUDA, from the history of the caching allocator."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from hpml_lab.errors import MeasurementError
from hpml_lab.memory.timeline import Recorder, Timeline
from hpml_lab.training.batches import tensors
from hpml_lab.training.optimizers import kept_tensors
from hpml_lab.training.step import TrainingStep

MAX_ENTRIES = 1_000_000
_PHASES = ("forward", "backward", "optimizer")


def cuda_timeline(
    step: TrainingStep, memory: Any = torch.cuda.memory, max_entries: int = MAX_ENTRIES
) -> Timeline:
    """Runs a step that has run before and returns its timeline, in requested bytes.

    Gradients of an earlier step are freed first. Workspaces and temporaries of kernels are
    included; layers are not distinguished.

    Args:
        step: A step on CUDA, with its optimizer state present.
        memory: `torch.cuda.memory`, or a fake.
        max_entries: Entries of the history to keep; the allocator drops older ones.

    Raises:
        MeasurementError: if the step has more events than `max_entries`.
    """
    step.zero_grad()
    device = next((tensor.device.index or 0 for tensor in tensors(step.batch)), 0)
    with history_kept(memory, max_entries):
        before = memory._snapshot()
        with _phases_marked(step, memory):
            step()
        trace = memory._snapshot()["device_traces"][device]
    if len(trace) >= max_entries:
        raise MeasurementError(
            f"the step has {max_entries} events of memory or more, and the first are lost; "
            "raise max_entries"
        )
    return read_trace(_live(before, device), trace, _held(step), _gradients(step))


@contextmanager
def history_kept(memory: Any = torch.cuda.memory, max_entries: int = MAX_ENTRIES) -> Iterator[None]:
    """A context in which the allocator records its history."""
    # The history has no public interface; torch's own guide to memory uses this one.
    memory._record_memory_history(context=None, max_entries=max_entries)
    try:
        yield
    finally:
        memory._record_memory_history(enabled=None)


def read_trace(
    live: dict[int, int],
    trace: Iterable[dict[str, Any]],
    held: dict[int, str],
    gradients: Iterable[int],
) -> Timeline:
    """Returns the timeline of an allocator's history.

    Args:
        live: Size by address of the blocks that are alive at the start.
        trace: Entries of the history in order; every ``snapshot`` begins the next phase.
        held: Category by address of the live blocks that belong to the step.
        gradients: Addresses of the gradients at the end.
    """
    recorder = Recorder()
    blocks = {
        address: recorder.allocate(size, held.get(address, "temporaries"))
        for address, size in live.items()
    }
    strangers = [blocks[address] for address in live.keys() - held.keys()]
    phases = iter(_PHASES)
    for entry in trace:
        if entry["action"] == "snapshot":
            if recorder.phase == "forward":
                recorder.keep_activations()
            recorder.phase = next(phases, recorder.phase)
        elif entry["action"] == "alloc":
            blocks[entry["addr"]] = recorder.allocate(entry["size"])
        elif entry["action"] == "free_completed":
            # A block that waited for another stream at the start is not among the live ones.
            recorder.free(blocks.pop(entry["addr"], -1))
    for address in gradients:
        if address in blocks:  # not if it lies inside a block, as with expandable segments
            recorder.label(blocks[address], "gradients")
    for block in strangers:
        recorder.label(block, "temporaries")
    return recorder.timeline()


@contextmanager
def _phases_marked(step: TrainingStep, memory: Any) -> Iterator[None]:
    """Marks the begin of each phase with a snapshot, which is an entry in the history."""

    def mark(*_: object) -> None:
        memory._snapshot()

    before = step.loss_hook
    step.loss_hook = lambda value: value.register_hook(mark)
    hooks = [optimizer.register_step_pre_hook(mark) for optimizer in step.optimizers[:1]]
    try:
        yield
    finally:
        step.loss_hook = before
        for hook in hooks:
            hook.remove()


def _live(snapshot: dict[str, Any], device: int) -> dict[int, int]:
    segments = [segment for segment in snapshot["segments"] if segment["device"] == device]
    blocks = [block for segment in segments for block in segment["blocks"]]
    return {
        block["address"]: block["requested_size"]
        for block in blocks
        if block["state"] == "active_allocated"
    }


def _held(step: TrainingStep) -> dict[int, str]:
    groups: dict[str, Iterable[Tensor]] = {
        "optimizer_state": (tensor for _, tensor in kept_tensors(*step.optimizers)),
        "parameters": (p for model in step.models for p in model.parameters()),
        "buffers": (b for model in step.models for b in model.buffers()),
        "input": tensors(step.batch),
    }
    return {_address(tensor): name for name, held in groups.items() for tensor in held}


def _gradients(step: TrainingStep) -> list[int]:
    gradients = [parameter.grad for model in step.models for parameter in model.parameters()]
    return [_address(gradient) for gradient in gradients if gradient is not None]


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
