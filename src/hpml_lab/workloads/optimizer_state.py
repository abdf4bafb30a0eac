"""What optimizers keep between steps, wherever they keep it."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from hpml_lab.workloads.batches import strided

_STEP = "step"  # torch's name for how many steps a parameter has had
_DEEPEST = 12  # state that holds itself ends here


def optimizer_state(*optimizers: Any) -> dict[str, int]:
    """Returns the exact bytes that optimizers keep, step counters apart.

    Every tensor counts that an optimizer, or one that it wraps, holds in its state, its groups or
    its attributes, however nested; one storage once, and parameters and their gradients not at all.

    Args:
        *optimizers: of `torch.optim`, or of any other kind.

    Returns:
        ``optimizer_state_bytes``, ``step_counters`` (how many) and ``step_counter_bytes``.
    """
    state: dict[Any, int] = {}
    counters: dict[Any, int] = {}
    for name, tensor in kept_tensors(*optimizers):
        into = counters if name == _STEP and tensor.numel() == 1 else state
        into |= _storages(tensor)
    trained = {key for one in optimizers for tensor in _trained(one) for key in _storages(tensor)}
    kept = {key: size for key, size in state.items() if key not in trained}
    return {
        "optimizer_state_bytes": sum(kept.values()),
        "step_counters": len(counters),
        "step_counter_bytes": sum(counters.values()),
    }


def kept_tensors(*optimizers: Any) -> Iterator[tuple[str, Tensor]]:
    """Yields every tensor that optimizers hold, with its name in the mapping around it.

    Parameters may be among them where an optimizer keeps a list of its own of them.
    """
    for optimizer in optimizers:
        yield from _held(vars(optimizer))


def _held(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif depth < _DEEPEST:
        for part_name, part in _parts(value, name):
            yield from _held(part, part_name, depth + 1)


def _parts(value: Any, name: str) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        pairs = ((key if isinstance(key, str) else name, part) for key, part in value.items())
        return [(key, part) for key, part in pairs if key != "params"]
    if _is_optimizer(value):
        return list(vars(value).items())
    if isinstance(value, list | tuple | set | frozenset | deque):
        return [(name, part) for part in value]
    return []


def _is_optimizer(value: Any) -> bool:
    return isinstance(value, torch.optim.Optimizer) or (
        hasattr(value, "param_groups") and hasattr(value, "__dict__")
    )


def _trained(optimizer: Any, depth: int = 0) -> Iterator[Tensor]:
    """Yields parameters and their gradients, those of wrapped optimizers too."""
    for group in getattr(optimizer, "param_groups", ()):
        for parameter in group["params"]:
            yield from (tensor for tensor in (parameter, parameter.grad) if tensor is not None)
    if depth < _DEEPEST:
        for part in vars(optimizer).values():
            if _is_optimizer(part):
                yield from _trained(part, depth + 1)


def _storages(tensor: Tensor) -> dict[Any, int]:
    """Returns the bytes of each storage behind a tensor, by a key."""
    storages = [(part.device, part.untyped_storage()) for part in strided(tensor)]
    return {(device, each._cdata): each.nbytes() for device, each in storages if each.nbytes()}
