"""Exact bytes of optimizer state, and of the temporaries of an optimizer step.

Source of the state: the update rules themselves. Each keeps whole copies of the parameters
(Sutskever et al. 2013, section 2 for momentum; Duchi et al. 2011 for Adagrad; Zeiler 2012 for
Adadelta; Hinton 2012, lecture 6e, and Graves 2013, section 4.1 for RMSprop; Kingma and Ba 2015,
algorithm 1 and section 7.1 of Reddi et al. 2018 for Adam with and without AMSGrad).

Source of the temporaries: which results PyTorch's three implementations hold at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpml_lab.errors import InputError, unknown
from hpml_lab.theory.validation import check_int

_COUNTER_BYTES = 4

IMPLEMENTATIONS = ("for-loop", "foreach", "fused")


@dataclass(frozen=True)
class _Rule:
    """Memory of an update rule, in copies of the parameters.

    Attributes:
        state: Copies kept between steps.
        foreach: Copies of temporaries in the foreach implementation.
        for_loop: Copies of temporaries at the peaks of the loop: of this tensor and of the one
            before it, whose last result lives until the same line of the next iteration replaces
            it.
        fused: Whether PyTorch has a fused kernel for it.
    """

    state: int
    foreach: int
    for_loop: tuple[tuple[int, int], ...]
    fused: bool = False


_RULES = {
    "sgd": _Rule(0, 0, ((0, 0),), fused=True),
    "adagrad": _Rule(1, 2, ((1, 1),), fused=True),
    "adadelta": _Rule(2, 2, ((1, 2), (2, 1))),
    "rmsprop": _Rule(1, 1, ((1, 1),)),
    "adam": _Rule(2, 1, ((2, 1),), fused=True),
    "adamw": _Rule(2, 1, ((2, 1),), fused=True),
}
OPTIMIZERS = tuple(_RULES)
# Names that stand for an optimizer with fixed settings.
NAMED: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd-momentum": ("sgd", {"momentum": 0.9}),
    "nesterov": ("sgd", {"momentum": 0.9, "nesterov": True}),
}

Parameters = Sequence[int | Sequence[int]]


def state_bytes(
    name: str,
    parameters: Parameters,
    *,
    momentum: float = 0,
    amsgrad: bool = False,
    centered: bool = False,
    element_bytes: int = 4,
) -> int:
    """Returns the bytes of state after every parameter had a step.

    The scalar step counters are not included (see `counter_bytes`): they live on the CPU.

    Args:
        name: ``sgd``, ``adagrad``, ``adadelta``, ``rmsprop``, ``adam`` or ``adamw``.
        parameters: One element count or one shape per tensor.
        momentum: Momentum of SGD or RMSprop; any value but 0 keeps an additional copy.
        amsgrad: Whether Adam or AdamW also keeps the largest second moment.
        centered: Whether RMSprop also keeps the mean gradient.
        element_bytes: 4 for float32, 2 for bfloat16; state has the parameters' dtype.

    Raises:
        InputError: for an unknown name or a negative size.
    """
    copies = _rule(name).state
    copies += momentum != 0 and name in {"sgd", "rmsprop"}
    copies += amsgrad and name in {"adam", "adamw"}
    copies += centered and name == "rmsprop"
    return copies * check_int("element_bytes", element_bytes, 1) * sum(sizes(parameters))


def counter_bytes(name: str, parameters: Parameters) -> int:
    """Returns the bytes of the scalar step counters: 4 per tensor, none for SGD.

    Raises:
        InputError: for an unknown name.
    """
    return 0 if not _rule(name).state else _COUNTER_BYTES * len(parameters)


def constructor_bytes(name: str, parameters: Parameters, *, element_bytes: int = 4) -> int:
    """Returns the bytes of state before the first step, allocated in the constructor.

    Only Adagrad allocates in its constructor, all of its state (and its counters). For every other
    optimizer the backward pass of the first step runs without state.

    Args:
        name: As in `state_bytes`.
        parameters: One element count or one shape per tensor.
        element_bytes: As in `state_bytes`.

    Raises:
        InputError: for an unknown name or a negative size.
    """
    total = state_bytes(name, parameters, element_bytes=element_bytes)
    return total if name == "adagrad" else 0


def temporary_bytes(
    name: str,
    parameters: Parameters,
    *,
    weight_decay: float = 0,
    implementation: str = "foreach",
    momentum: float = 0,
    nesterov: bool = False,
    element_bytes: int = 4,
) -> int:
    """Returns the peak bytes of temporaries in an optimizer step.

    Raw bytes of whole tensors; scalars (a few bytes on the CPU) and an allocator's rounding are
    not included. All parameters have a gradient, one dtype and one device. RMSprop's momentum and
    centering, and AMSGrad, need no more than the plain rule.

    Args:
        name: As in `state_bytes`.
        parameters: One element count or one shape per tensor, in the optimizer's order: the loop
            holds results of consecutive tensors at once.
        weight_decay: Weight decay; any value but 0 adds the decayed gradients, except for AdamW,
            which decays the parameters in place.
        implementation: ``for-loop`` (PyTorch's default on the CPU), ``foreach`` (on CUDA) or
            ``fused``, which needs no temporaries.
        momentum: Momentum of SGD; only Nesterov momentum needs temporaries.
        nesterov: Whether SGD uses Nesterov momentum. With foreach and without weight decay it
            updates the gradients in place, without temporaries.
        element_bytes: 4 for float32, 2 for bfloat16.

    Raises:
        InputError: for an unknown name or implementation, ``fused`` without such a kernel,
            Nesterov without momentum, or a negative size.
    """
    _check_step(name, implementation, momentum, nesterov)
    elements = sizes(parameters)
    decayed = weight_decay != 0 and name != "adamw"
    held = 0
    if implementation == "foreach":
        held = _foreach_copies(name, decayed) * sum(elements)
    elif implementation == "for-loop":
        held = _loop_elements(name, elements, decayed + nesterov)
    return held * check_int("element_bytes", element_bytes, 1)


def _check_step(name: str, implementation: str, momentum: float, nesterov: bool) -> None:
    _rule(name)
    if implementation not in IMPLEMENTATIONS:
        raise unknown("implementation", implementation, IMPLEMENTATIONS)
    if implementation == "fused" and not _rule(name).fused:
        fused = ", ".join(other for other, rule in _RULES.items() if rule.fused)
        raise InputError(f"{name} has no fused implementation; only {fused} have one")
    if nesterov and (name != "sgd" or momentum == 0):
        raise InputError(f"nesterov is set for {name}; it needs sgd with a momentum")


def _foreach_copies(name: str, decayed: bool) -> int:
    # Adam frees the decayed gradients before its next list; Adagrad scales them in place.
    reused = name in {"adam", "adamw", "adagrad"}
    return _RULES[name].foreach + (decayed and not reused)


def _loop_elements(name: str, sizes: list[int], more: int) -> int:
    neighbours = zip(sizes, [0, *sizes], strict=False)
    return max(
        (
            (now + more) * size + before * previous
            for size, previous in neighbours
            for now, before in _RULES[name].for_loop
        ),
        default=0,
    )


def _rule(name: str) -> _Rule:
    if name not in _RULES:
        raise unknown("optimizer", name, OPTIMIZERS)
    return _RULES[name]


def sizes(parameters: Parameters) -> list[int]:
    """Returns the element count of each tensor.

    Raises:
        InputError: for a negative size.
    """
    return [_elements(size) for size in parameters]


def _elements(size: int | Sequence[int]) -> int:
    sides = size if isinstance(size, Sequence) else [size]
    return math.prod(check_int("a parameter size", side) for side in sides)
