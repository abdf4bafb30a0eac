"""Optimizers by name, with the lab's settings or their own defaults; bytes of their state."""

import inspect
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, optim

from hpml_lab.errors import InputError, unknown
from hpml_lab.theory.optimizers import NAMED
from hpml_lab.training.batches import strided

# Class and fixed options of each name, for all settings.
_KINDS: dict[str, tuple[type[optim.Optimizer], dict[str, Any]]] = {
    "sgd": (optim.SGD, {}),
    "sgd-momentum": (optim.SGD, NAMED["sgd-momentum"][1]),
    "nesterov": (optim.SGD, NAMED["nesterov"][1]),
    "adagrad": (optim.Adagrad, {}),
    "adadelta": (optim.Adadelta, {}),
    "adam": (optim.Adam, {}),
    "adamw": (optim.AdamW, {}),
    "rmsprop": (optim.RMSprop, {}),
}
# The lab uses one learning rate for all of them, so it ranks them at 0.1 and not at their best.
_SETTINGS: dict[str, dict[str, Any]] = {"lab": {"lr": 0.1, "weight_decay": 5e-4}, "default": {}}

# The GPU-memory lab scales the learning rate with the batch, up to this one.
_LARGEST_SCALED_BATCH = 256

# What torch is asked for; it has no fused step of some optimizers.
_IMPLEMENTATIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "for-loop": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}
IMPLEMENTATIONS = tuple(_IMPLEMENTATIONS)
OPTIMIZERS = tuple(_KINDS)
SETTINGS = tuple(_SETTINGS)


def build_optimizer(
    name: str,
    parameters: Iterable[Tensor],
    settings: str = "lab",
    learning_rate: float = 0,
    implementation: str = "default",
) -> optim.Optimizer:
    """Returns an optimizer over the parameters.

    Args:
        name: One of `OPTIMIZERS`.
        parameters: Parameters to update.
        settings: ``lab`` (lr 0.1, weight decay 5e-4) or ``default`` (the library's own values).
        learning_rate: Replaces the learning rate of the settings, unless 0.
        implementation: ``default``, ``for-loop``, ``foreach`` or ``fused``.

    Raises:
        InputError: for an unknown name, settings or implementation, or one that torch lacks.
    """
    check_optimizer(name, implementation)
    if settings not in _SETTINGS:
        raise unknown("optimizer_settings", settings, SETTINGS)
    kind, own = _KINDS[name]
    given = {"lr": learning_rate} if learning_rate else {}
    how = _IMPLEMENTATIONS[implementation]
    return kind(parameters, **own, **(_SETTINGS[settings] | given), **how)


def check_optimizer(name: str, implementation: str) -> None:
    """Refuses an optimizer or an implementation that there is not.

    Raises:
        InputError: for an unknown one, or ``fused`` where torch has none.
    """
    if name not in _KINDS:
        raise unknown("optimizer", name, OPTIMIZERS)
    if implementation not in _IMPLEMENTATIONS:
        raise unknown("optimizer_implementation", implementation, IMPLEMENTATIONS)
    if implementation == "fused" and not _has_fused(name):
        fused = ", ".join(other for other in OPTIMIZERS if _has_fused(other))
        raise InputError(f"{name} has no fused implementation; these have one: {fused}")


def _has_fused(name: str) -> bool:
    return "fused" in inspect.signature(_KINDS[name][0]).parameters


def learning_rate_for(batch_size: int) -> float:
    """Returns the GPU-memory lab's learning rate: 1e-4 at batch 4, proportional up to 256."""
    return 1e-4 * min(batch_size, _LARGEST_SCALED_BATCH) / 4


def theory_name(name: str) -> tuple[str, float]:
    """Returns name and momentum of an optimizer in `theory.optimizers`."""
    kind, own = _KINDS[name]
    return kind.__name__.lower(), own.get("momentum", 0)


_STEP = "step"  # torch's name for the step counter of a parameter
_DEEPEST = 12  # ends the recursion for state that contains itself


def optimizer_state(*optimizers: Any) -> dict[str, int]:
    """Returns the exact bytes of optimizer state, with step counters counted separately.

    Counts every tensor that an optimizer, or one that it wraps, holds in its state, its groups or
    its attributes, in any nesting; a shared storage once, parameters and their gradients not.

    Args:
        *optimizers: Optimizers of `torch.optim`, or of any other library.

    Returns:
        ``optimizer_state_bytes``, ``step_counters`` (their number) and ``step_counter_bytes``.
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
    """Yields every tensor that optimizers hold, with its name in the enclosing mapping.

    Parameters may be among them if an optimizer keeps its own list of them.
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
    """Yields parameters and their gradients, including those of wrapped optimizers."""
    for group in getattr(optimizer, "param_groups", ()):
        for parameter in group["params"]:
            yield from (tensor for tensor in (parameter, parameter.grad) if tensor is not None)
    if depth < _DEEPEST:
        for part in vars(optimizer).values():
            if _is_optimizer(part):
                yield from _trained(part, depth + 1)


def _storages(tensor: Tensor) -> dict[Any, int]:
    """Returns the bytes of each storage of a tensor, by device and pointer."""
    storages = [(part.device, part.untyped_storage()) for part in strided(tensor)]
    return {(device, part._cdata): part.nbytes() for device, part in storages if part.nbytes()}
