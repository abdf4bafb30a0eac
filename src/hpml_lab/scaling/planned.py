"""Memory of one rank, planned: the step of a rank among others that do not exist."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from hpml_lab.memory.plan import Plan
from hpml_lab.memory.workload_plan import plan_changed
from hpml_lab.scaling.wrapping import sharded
from hpml_lab.training.step import TrainingStep
from hpml_lab.training.workload import Workload


def rank_peak_bytes(
    function: Workload, settings: Mapping[str, Any], strategy: str, world: int
) -> int:
    """Returns the peak of live bytes of a rank.

    Under DDP the buckets hold a copy of all gradients. Under FSDP the sharded step is planned.

    Args:
        function: The workload.
        settings: Its parameters, in place of their defaults.
        strategy: ``ddp`` or ``fsdp``.
        world: Number of ranks.

    Raises:
        InputError: for a step that cannot be planned.
    """
    if strategy == "ddp":
        return replicated_peak_bytes(plan_changed(function, settings))
    return sharded_plan(function, settings, world).peak_bytes


def replicated_peak_bytes(plan: Plan) -> int:
    """Returns the peak of a rank under DDP, of the plan of a step alone."""
    return plan.peak_bytes + plan.gradients_bytes


def sharded_plan(function: Workload, settings: Mapping[str, Any], world: int) -> Plan:
    """Returns the plan of a rank's step under FSDP.

    Raises:
        InputError: for a step that cannot be planned.
    """
    with _ranks_without_processes(world) as mesh:
        return plan_changed(function, settings, partial(_shard, mesh=mesh))


def _shard(step: TrainingStep, mesh: DeviceMesh) -> None:
    sharded(step, mesh)


@contextmanager
def _ranks_without_processes(world: int) -> Iterator[DeviceMesh]:
    # PyTorch's own, for planning; no public module has it.
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group("fake", rank=0, world_size=world, store=FakeStore())
    try:
        yield init_device_mesh("cpu", (world,))  # it reads values, which a plan has none of
    finally:
        dist.destroy_process_group()
