"""A training step's memory beside its plan."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hpml_lab.measure.record import Row
from hpml_lab.measure.timelines import condensed, sizes
from hpml_lab.theory.gpu_memory import GpuMemory, Workspace, gpu_memory, workspace_bytes
from hpml_lab.theory.timeline import Timeline
from hpml_lab.workloads.allocations import track
from hpml_lab.workloads.trainer import Trainer
from hpml_lab.workloads.training_plan import plan_training


@dataclass(frozen=True)
class PlannedMemory:
    """What was planned for a step and what was seen of it, in raw bytes of tensors.

    Attributes:
        planned: a step that is not the first.
        first: the first step, which begins without the state of the optimizer.
        tracked: the second step.
    """

    planned: Timeline
    first: Timeline
    tracked: Timeline

    @property
    def counters(self) -> dict[str, int]:
        """The sizes of both by `measure.timelines.sizes`, as ``planned_...`` and ``tracked_...``.

        And ``first_peak_bytes`` of the first step, with ``first_live_bytes`` behind it.
        """
        sides = {"planned": self.planned, "tracked": self.tracked}
        return {
            **{f"{side}_{name}": n for side in sides for name, n in sizes(sides[side]).items()},
            "first_peak_bytes": self.first.peak_bytes,
            "first_live_bytes": self.first.totals[-1],
        }

    @property
    def timelines(self) -> dict[str, list[Row]]:
        """Both as a saved run keeps them."""
        return {"planned": condensed(self.planned), "tracked": condensed(self.tracked)}


def planned_memory(trainer: Trainer) -> PlannedMemory:
    """Plans a step that was never taken, then takes it twice and watches it.

    Raises:
        InputError: for what `plan_training` refuses.
    """
    planned, step = plan_training(trainer.training), trainer.fixed_step()
    return PlannedMemory(planned=planned, first=track(step), tracked=track(step))


def planned_on_gpu(
    model: nn.Module,
    planned: Timeline,
    *,
    context_bytes: int | None = None,
    capacity_bytes: int | None = None,
    cuda: Any = torch.cuda,
) -> GpuMemory:
    """Returns what a planned step takes on the GPU, see `theory.gpu_memory`.

    Args:
        model: not compiled.
        planned: a step of it.
        context_bytes: what CUDA's context takes; None if that is not known.
        capacity_bytes: what the allocator can reserve; None for any amount.
        cuda: who knows the GPU.

    Raises:
        MemoryLimitError: if the capacity does not hold the step.
    """
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    workspace = Workspace(
        size_bytes=workspace_bytes(cuda.get_device_capability()),
        layers=linear,
        kept=_release(torch.__version__) < (2, 15),
    )
    return gpu_memory(
        planned, workspace=workspace, context_bytes=context_bytes, capacity_bytes=capacity_bytes
    )


def gpu_counters(planned: GpuMemory) -> dict[str, int]:
    """Returns the terms of a plan for the GPU, as ``planned_...``; the context only if known."""
    names = ("rounding", "workspace", "cached", "allocated", "reserved", "context", "device_used")
    found = {f"planned_{name}_bytes": getattr(planned, f"{name}_bytes") for name in names}
    return {name: size for name, size in found.items() if size is not None}


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])
