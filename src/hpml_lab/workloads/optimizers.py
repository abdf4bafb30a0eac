"""The optimizers by name, each with the lab's settings or with its own defaults."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, optim

from hpml_lab.errors import unknown

# What makes a name that optimizer, whatever the settings.
_KINDS: dict[str, tuple[type[optim.Optimizer], dict[str, Any]]] = {
    "sgd": (optim.SGD, {}),
    "sgd-momentum": (optim.SGD, {"momentum": 0.9}),
    "nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (optim.Adagrad, {}),
    "adadelta": (optim.Adadelta, {}),
    "adam": (optim.Adam, {}),
    "adamw": (optim.AdamW, {}),
    "rmsprop": (optim.RMSprop, {}),
}
# The lab gives all of them one learning rate, so it ranks them at 0.1 and not at their best.
_SETTINGS: dict[str, dict[str, Any]] = {"lab": {"lr": 0.1, "weight_decay": 5e-4}, "default": {}}

# The GPU-memory lab scales the learning rate with the batch, up to this one.
_LARGEST_SCALED_BATCH = 256

OPTIMIZERS = tuple(_KINDS)
SETTINGS = tuple(_SETTINGS)


def build_optimizer(
    name: str, parameters: Iterable[Tensor], settings: str = "lab", learning_rate: float = 0
) -> optim.Optimizer:
    """Returns an optimizer over the parameters.

    Args:
        name: one of `OPTIMIZERS`.
        parameters: what it updates.
        settings: ``lab`` (lr 0.1, weight decay 5e-4) or ``default`` (the library's own values).
        learning_rate: in place of that of the settings, unless 0.

    Raises:
        InputError: for an unknown name or unknown settings.
    """
    if name not in _KINDS:
        raise unknown("optimizer", name, OPTIMIZERS)
    if settings not in _SETTINGS:
        raise unknown("optimizer_settings", settings, SETTINGS)
    kind, own = _KINDS[name]
    given = {"lr": learning_rate} if learning_rate else {}
    return kind(parameters, **own, **(_SETTINGS[settings] | given))


def learning_rate_for(batch_size: int) -> float:
    """Returns the GPU-memory lab's learning rate: 1e-4 at batch 4, in proportion up to 256."""
    return 1e-4 * min(batch_size, _LARGEST_SCALED_BATCH) / 4


def theory_name(name: str) -> tuple[str, float]:
    """Returns the name and the momentum under which `theory.optimizers` knows an optimizer."""
    kind, own = _KINDS[name]
    return kind.__name__.lower(), own.get("momentum", 0)
