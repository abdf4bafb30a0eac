"""Exact bytes of optimizer state, and of what a step allocates besides it.

Source of the state: the update rules themselves. Each keeps whole copies of the parameters
(Sutskever et al. 2013, section 2 for momentum; Duchi et al. 2011 for Adagrad; Zeiler 2012 for
Adadelta; Hinton 2012, lecture 6e, and Graves 2013, section 4.1 for RMSprop; Kingma and Ba 2015,
algorithm 1 and section 7.1 of Reddi et al. 2018 for Adam with and without AMSGrad).

Source of the temporaries: which results PyTorch's three implementations hold at once.
"""

import math
from collections.abc import Sequence

from hpml_lab.errors import InputError, unknown
from hpml_lab.theory.scalars import whole

_COPIES = {"sgd": 0, "adagrad": 1, "adadelta": 2, "rmsprop": 1, "adam": 2, "adamw": 2}
_COUNTER_BYTES = 4

IMPLEMENTATIONS = ("loop", "foreach", "fused")
_FUSED = ("sgd", "adagrad", "adam", "adamw")
_FOREACH_COPIES = {"sgd": 0, "adagrad": 2, "adadelta": 2, "rmsprop": 1, "adam": 1, "adamw": 1}
# What the loop holds at its fullest moments: so many times this tensor and the one before it,
# whose last result lives until the same line of the next turn has made its own.
_LOOP_MOMENTS = {
    "sgd": [(0, 0)],
    "adagrad": [(1, 1)],
    "adadelta": [(1, 2), (2, 1)],
    "rmsprop": [(1, 1)],
    "adam": [(2, 1)],
    "adamw": [(2, 1)],
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
    """Returns the bytes of state kept for the parameters once all had a step.

    The scalar step counters are not in it (see `counter_bytes`): they live on the CPU.

    Args:
        name: ``sgd``, ``adagrad``, ``adadelta``, ``rmsprop``, ``adam`` or ``adamw``.
        parameters: one element count or one shape per tensor.
        momentum: SGD's or RMSprop's momentum; any value but 0 keeps one more copy.
        amsgrad: whether Adam or AdamW also keeps the largest second moment.
        centered: whether RMSprop also keeps the mean gradient.
        element_bytes: 4 for float32, 2 for bfloat16; state has the parameters' dtype.

    Raises:
        InputError: for an unknown name or a negative size.
    """
    copies = _COPIES[_known(name)]
    copies += momentum != 0 and name in {"sgd", "rmsprop"}
    copies += amsgrad and name in {"adam", "adamw"}
    copies += centered and name == "rmsprop"
    return copies * whole("element_bytes", element_bytes, 1) * sum(sizes(parameters))


def counter_bytes(name: str, parameters: Parameters) -> int:
    """Returns the bytes of the scalar step counters: 4 per tensor, none for SGD.

    Raises:
        InputError: for an unknown name.
    """
    return 0 if _known(name) == "sgd" else _COUNTER_BYTES * len(parameters)


def constructor_bytes(name: str, parameters: Parameters, *, element_bytes: int = 4) -> int:
    """Returns the bytes of state that exist before the first step; the first step adds the rest.

    Only Adagrad allocates in its constructor, all of its state (and its counters). For every other
    optimizer the peak of a first step has no state in its backward pass.

    Args:
        name: as `state_bytes`.
        parameters: one element count or one shape per tensor.
        element_bytes: as `state_bytes`.

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
    """Returns the most bytes that a step holds at once besides parameters, gradients and state.

    Raw bytes of whole tensors; scalars (a few bytes on the CPU) and an allocator's rounding are
    not in it. All parameters have a gradient, one dtype and one device. RMSprop's momentum and
    centering, and AMSGrad, need no more than the plain rule.

    Args:
        name: as `state_bytes`.
        parameters: one element count or one shape per tensor, in the optimizer's order: the loop
            holds results of neighbours together.
        weight_decay: any value but 0 adds the decayed gradients, except for AdamW, which decays
            the parameters in place.
        implementation: ``loop`` (PyTorch's default on the CPU), ``foreach`` (on CUDA) or
            ``fused``, which needs none.
        momentum: SGD's; only Nesterov's form needs memory for it.
        nesterov: whether SGD looks ahead. As foreach without weight decay it does so in the
            gradients themselves, at no cost.
        element_bytes: 4 for float32, 2 for bfloat16.

    Raises:
        InputError: for an unknown name or implementation, ``fused`` where PyTorch has none,
            Nesterov without momentum, or a negative size.
    """
    _check_step(_known(name), implementation, momentum, nesterov)
    elements = sizes(parameters)
    decayed = weight_decay != 0 and name != "adamw"
    held = 0
    if implementation == "foreach":
        held = _foreach_copies(name, decayed) * sum(elements)
    elif implementation == "loop":
        held = _loop_elements(name, elements, decayed + nesterov)
    return held * whole("element_bytes", element_bytes, 1)


def _check_step(name: str, implementation: str, momentum: float, nesterov: bool) -> None:
    if implementation not in IMPLEMENTATIONS:
        raise unknown("implementation", implementation, IMPLEMENTATIONS)
    if implementation == "fused" and name not in _FUSED:
        raise InputError(f"{name} has no fused implementation; only {', '.join(_FUSED)} have one")
    if nesterov and (name != "sgd" or momentum == 0):
        raise InputError(f"nesterov is set for {name}; it needs sgd with a momentum")


def _foreach_copies(name: str, decayed: bool) -> int:
    # Adam frees the decayed gradients before its next list; Adagrad scales them in place.
    reused = name in {"adam", "adamw", "adagrad"}
    return _FOREACH_COPIES[name] + (decayed and not reused)


def _loop_elements(name: str, sizes: list[int], more: int) -> int:
    neighbours = zip(sizes, [0, *sizes], strict=False)
    return max(
        (
            (now + more) * size + before * previous
            for size, previous in neighbours
            for now, before in _LOOP_MOMENTS[name]
        ),
        default=0,
    )


def _known(name: str) -> str:
    if name not in _COPIES:
        raise unknown("optimizer", name, _COPIES)
    return name


def sizes(parameters: Parameters) -> list[int]:
    """Returns the element count of each tensor.

    Raises:
        InputError: for a negative size.
    """
    return [_elements(size) for size in parameters]


def _elements(size: int | Sequence[int]) -> int:
    sides = size if isinstance(size, Sequence) else [size]
    return math.prod(whole("a parameter size", side) for side in sides)
