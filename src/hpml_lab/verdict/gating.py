"""Why a gate refuses a comparison: it passes only what was judged and found good."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hpml_lab.verdict.comparison import FAILING, Comparison, counted

_JUDGED = ("regressed", "improved", "unchanged")
_NOTHING = (
    "nothing was judged: no measured case is in the baseline, or too few processes measured it; "
    "select cases that it has, or save it again with 3 processes"
)


@dataclass(frozen=True)
class Refusal:
    """One reason to fail.

    Attributes:
        fullname: of the case; empty where it is about no single one.
        why: one line.
    """

    fullname: str
    why: str

    def __str__(self) -> str:
        """Both in one line."""
        return f"{self.fullname or 'gate'}: {self.why}"


def refusals(comparison: Comparison) -> list[Refusal]:
    """Returns every reason to fail; none if the gate passes.

    It is stricter than `Comparison.failures` in one respect: something must have been judged. A
    comparison that could have seen no change of any size is no reason to pass.
    """
    found = list(_failing(comparison))
    return found or ([] if _judged(comparison) else [Refusal("", _NOTHING)])


def outcome(comparison: Comparison, refused: Sequence[Refusal]) -> str:
    """Returns in a sentence whether the gate passes, and how much of it is open."""
    general = [refusal.why for refusal in refused if not refusal.fullname]
    if general:
        return f"The gate fails: {general[0]}."
    if refused:
        return (
            f"The gate fails: {len(refused)} {'reason' if len(refused) == 1 else 'reasons'} above."
        )
    open_cases = sum(each.verdict == "inconclusive" for each in comparison.verdicts)
    told = f", {open_cases} of {len(comparison.verdicts)} cases inconclusive" if open_cases else ""
    return f"The gate passes{told}."


def _failing(comparison: Comparison) -> Iterator[Refusal]:
    for verdict in comparison.verdicts:
        if verdict.verdict in FAILING:
            yield Refusal(verdict.fullname, f"{verdict.verdict}: {verdict.reason}")
    for counter in comparison.counters:
        if counter.verdict in FAILING:
            yield Refusal(counter.fullname, counted(counter))


def _judged(comparison: Comparison) -> bool:
    seen = any(
        verdict.verdict in _JUDGED or verdict.detectable is not None
        for verdict in comparison.verdicts
    )
    return seen or any(counter.verdict in _JUDGED for counter in comparison.counters)
