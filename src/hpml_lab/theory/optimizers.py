"""Exact bytes of optimizer state.

Source: the update rules themselves. Each keeps whole copies of the parameters (Sutskever et al.
2013, section 2 for momentum; Duchi et al. 2011 for Adagrad; Zeiler 2012 for Adadelta; Kingma and
Ba 2015, algorithm 1 and section 7.1 of Reddi et al. 2018 for Adam with and without AMSGrad).
"""

import math
from collections.abc import Sequence

from hpml_lab.errors import InputError, unknown

_COPIES = {"sgd": 0, "adagrad": 1, "adadelta": 2, "rmsprop": 1, "adam": 2, "adamw": 2}
_ELEMENT_BYTES = 4
_COUNTER_BYTES = 4

Parameters = Sequence[int | Sequence[int]]


def state_bytes(
    name: str,
    parameters: Parameters,
    *,
    momentum: float = 0,
    amsgrad: bool = False,
    centered: bool = False,
) -> int:
    """Returns the bytes of float32 state kept for the parameters once all had a step.

    The scalar step counters are not in it (see `counter_bytes`): they live on the CPU.

    Args:
        name: ``sgd``, ``adagrad``, ``adadelta``, ``rmsprop``, ``adam`` or ``adamw``.
        parameters: one element count or one shape per tensor.
        momentum: SGD's or RMSprop's momentum; any value but 0 keeps one more copy.
        amsgrad: whether Adam or AdamW also keeps the largest second moment.
        centered: whether RMSprop also keeps the mean gradient.

    Raises:
        InputError: for an unknown name or a negative size.
    """
    if name not in _COPIES:
        raise unknown("optimizer", name, _COPIES)
    copies = _COPIES[name]
    copies += momentum != 0 and name in {"sgd", "rmsprop"}
    copies += amsgrad and name in {"adam", "adamw"}
    copies += centered and name == "rmsprop"
    return copies * _ELEMENT_BYTES * sum(map(_elements, parameters))


def counter_bytes(name: str, parameters: Parameters) -> int:
    """Returns the bytes of the scalar step counters: 4 per tensor, none for SGD.

    Raises:
        InputError: for an unknown name.
    """
    if name not in _COPIES:
        raise unknown("optimizer", name, _COPIES)
    return 0 if name == "sgd" else _COUNTER_BYTES * len(parameters)


def _elements(size: int | Sequence[int]) -> int:
    sizes = [size] if isinstance(size, int) else list(size)
    if any(n < 0 for n in sizes):
        raise InputError(f"a parameter size is {size!r}; every size must be 0 or more")
    return math.prod(sizes)
