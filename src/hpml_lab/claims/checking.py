"""The registry of checks of claims, and the comparisons that checks use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Attributes:
        holds: whether the claim is right as stated.
        evidence: the computed values, in one line.
    """

    holds: bool
    evidence: str


Check = Callable[[], Finding]
CHECKS: dict[str, Check] = {}


def decides(claim_id: str) -> Callable[[Check], Check]:
    """Registers a function without arguments as the check of a claim.

    Raises:
        ValueError: if the claim has a check already.
    """

    def register(check: Check) -> Check:
        if claim_id in CHECKS:
            raise ValueError(f"claim {claim_id} has two checks; keep one")
        CHECKS[claim_id] = check
        return check

    return register


def same(name: str, stated: int, computed: int) -> Finding:
    """Decides whether two counts are equal."""
    return _finding(name, stated == computed, f"{computed:,}", f"{stated:,}")


def rounds(name: str, stated: Decimal, computed: Decimal | float) -> Finding:
    """Decides whether a value rounds to the stated number, at its last decimal place."""
    holds = abs(Decimal(computed) - stated) <= _half_a_place(stated)
    return _finding(name, holds, _as_precise(computed, stated), f"{stated}")


def adds_up(name: str, stated: Decimal, rows: Sequence[Decimal]) -> Finding:
    """Decides whether the stated number is the sum of the printed rows."""
    return _follows(name, stated, rows, 1)


def averages(name: str, stated: Decimal, rows: Sequence[Decimal]) -> Finding:
    """Decides whether the stated number is the mean of the printed rows."""
    return _follows(name, stated, rows, len(rows))


def about(name: str, stated: int, rows: Sequence[Decimal]) -> Finding:
    """Decides whether the mean of the printed rows rounds to the stated whole number."""
    average = mean(rows)
    return _finding(name, round(average) == stated, f"{average:.2f}", f"about {stated}")


def together(*findings: Finding) -> Finding:
    """Combines the findings on the parts of a claim, which holds if all of them hold."""
    return Finding(all(f.holds for f in findings), "; ".join(f.evidence for f in findings))


def mean(rows: Sequence[Decimal]) -> Decimal:
    """Returns the exact mean of printed numbers."""
    return sum(rows, Decimal()) / len(rows)


def _follows(name: str, stated: Decimal, rows: Sequence[Decimal], parts: int) -> Finding:
    computed = sum(rows, Decimal()) / parts
    # Each row may be any number that rounds to its printed value, and so may the stated one.
    slack = _half_a_place(stated) + sum(map(_half_a_place, rows), Decimal()) / parts
    holds = abs(computed - stated) <= slack
    return _finding(name, holds, f"{_as_precise(computed, stated)} from the rows", f"{stated}")


def _finding(name: str, holds: bool, computed: str, stated: str) -> Finding:
    return Finding(holds, f"{name} {computed}" + ("" if holds else f", not {stated}"))


def _half_a_place(number: Decimal) -> Decimal:
    return Decimal(5).scaleb(int(number.as_tuple().exponent) - 1)


def _as_precise(value: Decimal | float, like: Decimal) -> str:
    return f"{value:,.{max(0, -int(like.as_tuple().exponent))}f}"


Numbers: TypeAlias = "npt.ArrayLike | Fraction | Decimal | Sequence[Numbers]"

_SHOWN = 6
# Far above float64 rounding in these small cases, far below the effect of any mistake.
_TOLERANCE = 1e-9


def equal(stated: Numbers, right: Numbers, oracle: str) -> Finding:
    """Decides whether stated values have the shape and the values of an oracle.

    Args:
        stated: values of the claim's own formula.
        right: values of the oracle.
        oracle: name of the oracle, for the evidence.
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
    """Returns numbers of any kind, including fractions, as float64."""
    return np.asarray(numbers, dtype=np.float64)


def show(numbers: Numbers, digits: int = 6) -> str:
    """Returns numbers as text, in brackets if there are several."""
    # Rounding errors are shown as 0, without a sign.
    values = np.round(floats(numbers), 12) + 0.0
    if values.ndim == 0:
        return f"{values:.{digits}g}"
    return f"({', '.join(f'{value:.{digits}g}' for value in values.ravel())})"


def _shape(values: npt.NDArray[np.float64]) -> str:
    return f"{' x '.join(map(str, values.shape)) or 'one'} value(s)"
