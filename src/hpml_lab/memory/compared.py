"""Planned and tracked memory of a step, in the form that a saved run keeps."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import nn

from hpml_lab.memory.gpu import GpuMemory, Workspace, gpu_memory, workspace_bytes
from hpml_lab.memory.timeline import CATEGORIES, Timeline
from hpml_lab.memory.trace import track
from hpml_lab.memory.training_plan import plan_training
from hpml_lab.runs.schema import Row
from hpml_lab.training.trainer import Trainer

_DEPTH = 2  # of the path of a residual block, such as layer3.17


def sizes(timeline: Timeline) -> dict[str, int]:
    """Returns the peak bytes of each category, and the peak of their sum.

    Returns:
        ``parameters_bytes``, ``activations_bytes`` (kept for the backward pass) and so on for all
        `memory.timeline.CATEGORIES`, and ``peak_bytes``, which is less than their sum.
    """
    moments = list(timeline.moments())
    most = {name: max(moment.live_bytes[name] for moment in moments) for name in CATEGORIES}
    return {f"{name}_bytes": size for name, size in most.items()} | {
        "peak_bytes": timeline.peak_bytes
    }


def backward_peak_bytes(timeline: Timeline) -> int:
    """Returns the peak of live bytes in the backward pass.

    In the first step it is lower by the optimizer's state, which does not exist yet.
    """
    pairs = zip(timeline.totals, timeline.events, strict=True)
    return max(total for total, event in pairs if event.phase == "backward")


def condensed(timeline: Timeline) -> list[Row]:
    """Returns the peak moment of each visit to a block, such as ``layer3.17``, in order.

    The peak of the step is one of them, under the name of its layer. ResNet-152 has 115 moments.
    """
    visits = groupby(timeline.outline(), key=lambda moment: (moment.phase, _block(moment.layer)))
    fullest = [max(visit, key=lambda moment: moment.total_bytes) for _, visit in visits]
    return [
        Row(moment.phase, moment.layer, [moment.live_bytes[name] for name in CATEGORIES])
        for moment in fullest
    ]


def _block(layer: str) -> str:
    return ".".join(layer.split(".")[:_DEPTH])


@dataclass(frozen=True)
class PlannedMemory:
    """Planned and tracked timelines of a step, in raw bytes of tensors.

    Attributes:
        planned: Plan of a step that is not the first.
        first: Tracked first step, which begins without the optimizer's state.
        tracked: Tracked second step.
    """

    planned: Timeline
    first: Timeline
    tracked: Timeline

    @property
    def counters(self) -> dict[str, int]:
        """Sizes of both by `memory.compared.sizes`, as ``planned_...`` and ``tracked_...``.

        In addition ``first_peak_bytes`` of the first step, and ``first_live_bytes`` after it.
        """
        sides = {"planned": self.planned, "tracked": self.tracked}
        return {
            **{f"{side}_{name}": n for side in sides for name, n in sizes(sides[side]).items()},
            "first_peak_bytes": self.first.peak_bytes,
            "first_live_bytes": self.first.totals[-1],
        }

    @property
    def timelines(self) -> dict[str, list[Row]]:
        """Both timelines in condensed form."""
        return {"planned": condensed(self.planned), "tracked": condensed(self.tracked)}


def planned_memory(trainer: Trainer) -> PlannedMemory:
    """Plans a step, then runs and tracks it twice.

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
    """Returns the GPU memory of a planned step, see `memory.gpu`.

    Args:
        model: Not compiled.
        planned: Plan of a step of the model.
        context_bytes: Size of CUDA's context; None if unknown.
        capacity_bytes: Bytes that the allocator can reserve; None for no limit.
        cuda: `torch.cuda`, or a fake that knows the compute capability.

    Raises:
        MemoryLimitError: if the step does not fit into the capacity.
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
    """Returns the terms of a GPU plan as ``planned_...``; the context only if known."""
    names = ("rounding", "workspace", "cached", "allocated", "reserved", "context", "device_used")
    terms = {f"planned_{name}_bytes": getattr(planned, f"{name}_bytes") for name in names}
    return {name: size for name, size in terms.items() if size is not None}


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])
