"""How the values of a stated formula are held against an oracle's."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hpml_lab.claims.checks.registry import Finding

Numbers: TypeAlias = "npt.ArrayLike | Fraction | Decimal | Sequence[Numbers]"

_SHOWN = 6
# Far above the rounding of float64 in these small cases, far below what any slip changes.
_TOLERANCE = 1e-9


def equal(stated: Numbers, right: Numbers, oracle: str) -> Finding:
    """Finds that a claim holds if what it states has the shape and the values of the oracle's.

    Args:
        stated: computed from the claim's own formula.
        right: computed by other means.
        oracle: what those means are, for the evidence.
    """
    values, expected = floats(stated), floats(right)
    if values.shape != expected.shape:
        return Finding(False, f"stated {_shape(values)}; {oracle} {_shape(expected)}")
    differences = np.abs(values - expected)
    holds = bool(np.all(differences <= _TOLERANCE * max(1.0, np.abs(expected).max())))
    if values.size <= _SHOWN:
        return Finding(holds, f"stated {show(values)}; {oracle} {show(expected)}")
    worst = np.unravel_index(differences.argmax(), differences.shape)
    evidence = f"stated {show(values[worst])}; {oracle} {show(expected[worst])}"
    return Finding(holds, f"{evidence} (the most unlike of {values.size} values)")


def floats(numbers: Numbers) -> npt.NDArray[np.float64]:
    """Returns numbers of any kind, fractions too, as float64."""
    return np.asarray(numbers, dtype=np.float64)


def show(numbers: Numbers, digits: int = 6) -> str:
    """Returns numbers as text, several of them in brackets."""
    # Rounding errors are shown as the zeros they stand for, without a sign.
    values = np.round(floats(numbers), 12) + 0.0
    if values.ndim == 0:
        return f"{values:.{digits}g}"
    return f"({', '.join(f'{value:.{digits}g}' for value in values.ravel())})"


def _shape(values: npt.NDArray[np.float64]) -> str:
    return f"{' x '.join(map(str, values.shape)) or 'one'} value(s)"
