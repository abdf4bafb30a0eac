"""How a computed value is held against a stated one."""

from collections.abc import Sequence
from decimal import Decimal

from hpml_lab.claims.checks.registry import Finding


def same(what: str, stated: int, computed: int) -> Finding:
    """Returns whether two counts are equal."""
    return _finding(what, stated == computed, f"{computed:,}", f"{stated:,}")


def rounds(what: str, stated: Decimal, computed: Decimal | float) -> Finding:
    """Returns whether a value rounds to the stated number, at the place where that one ends."""
    holds = abs(Decimal(computed) - stated) <= _half_a_place(stated)
    return _finding(what, holds, _as_precise(computed, stated), f"{stated}")


def adds_up(what: str, stated: Decimal, rows: Sequence[Decimal]) -> Finding:
    """Returns whether the stated number is the sum of the printed rows."""
    return _follows(what, stated, rows, 1)


def averages(what: str, stated: Decimal, rows: Sequence[Decimal]) -> Finding:
    """Returns whether the stated number is the mean of the printed rows."""
    return _follows(what, stated, rows, len(rows))


def about(what: str, stated: int, rows: Sequence[Decimal]) -> Finding:
    """Returns whether the mean of the printed rows rounds to a whole number."""
    average = mean(rows)
    return _finding(what, round(average) == stated, f"{average:.2f}", f"about {stated}")


def together(*findings: Finding) -> Finding:
    """Returns whether all parts of a claim hold."""
    return Finding(all(f.holds for f in findings), "; ".join(f.evidence for f in findings))


def mean(rows: Sequence[Decimal]) -> Decimal:
    """Returns the exact mean of printed numbers."""
    return sum(rows, Decimal()) / len(rows)


def _follows(what: str, stated: Decimal, rows: Sequence[Decimal], parts: int) -> Finding:
    computed = sum(rows, Decimal()) / parts
    # Each row may be any number that rounds to what was printed, and so may the stated one.
    slack = _half_a_place(stated) + sum(map(_half_a_place, rows), Decimal()) / parts
    holds = abs(computed - stated) <= slack
    return _finding(what, holds, f"{_as_precise(computed, stated)} from the rows", f"{stated}")


def _finding(what: str, holds: bool, computed: str, stated: str) -> Finding:
    return Finding(holds, f"{what} {computed}" + ("" if holds else f", not {stated}"))


def _half_a_place(number: Decimal) -> Decimal:
    return Decimal(5).scaleb(int(number.as_tuple().exponent) - 1)


def _as_precise(value: Decimal | float, like: Decimal) -> str:
    return f"{value:,.{max(0, -int(like.as_tuple().exponent))}f}"
