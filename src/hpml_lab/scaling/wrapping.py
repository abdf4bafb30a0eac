"""A declared step under DDP or FSDP2."""

import contextlib
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from hpml_lab.errors import InputError
from hpml_lab.training.step import TrainingStep


def one_model(step: TrainingStep) -> nn.Module:
    """Returns the model of a step.

    Raises:
        InputError: if it has several.
    """
    if not isinstance(step.model, nn.Module):
        raise InputError("several models are not scaled; give a workload of one model")
    return step.model


def replicated(step: TrainingStep, bucket_mib: float | None = None) -> Callable[[], Any]:
    """Puts the model of a step under DDP; returns a context that exchanges no gradients.

    Args:
        step: Changed in place.
        bucket_mib: MiB of gradients that are exchanged at once; None for DDP's own.
    """
    parallel = DistributedDataParallel(one_model(step), bucket_cap_mb=bucket_mib)
    step.model = parallel
    return parallel.no_sync


def sharded(step: TrainingStep, mesh: DeviceMesh) -> Callable[[], Any]:
    """Shards the model of a step, each child by itself, and its optimizers' parameters.

    Args:
        step: Changed in place.
        mesh: The ranks, in one dimension.

    Returns:
        A context that exchanges no gradients.
    """
    model = one_model(step)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for child in model.children():
        if any(True for _ in child.parameters()):
            fully_shard(child, mesh=mesh)
    root = fully_shard(model, mesh=mesh)
    _rebind(step, names, dict(model.named_parameters()))

    @contextlib.contextmanager
    def local() -> Any:
        root.set_requires_gradient_sync(False)
        yield
        root.set_requires_gradient_sync(True)

    return local


def _rebind(step: TrainingStep, names: dict[int, str], shards: dict[str, nn.Parameter]) -> None:
    """Makes the optimizers update the shards, which are new parameters."""
    for optimizer in step.optimizers:
        optimizer.state.clear()
        for group in optimizer.param_groups:
            group["params"] = [
                shards[names[id(p)]] if id(p) in names else p for p in group["params"]
            ]
