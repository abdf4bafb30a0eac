"""What a comparison of runs says: a word for every case and counter, and whether it passes.

One rule for `hpml-lab compare`, the gate and `hpml-lab ab`: what passes was judged and found good.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Word = Literal[
    "regressed", "improved", "unchanged", "inconclusive", "missing", "new", "not comparable"
]
_FAILING: tuple[Word, ...] = ("regressed", "missing", "not comparable")
_JUDGED: tuple[Word, ...] = ("regressed", "improved", "unchanged")
_NOTHING = (
    "nothing was judged: no measured case is in the baseline, or too few processes measured it; "
    "select cases that it has, or save it again with 3 processes"
)


@dataclass(frozen=True)
class Verdict:
    """What is said of one case. Ratios are time of the contender by time of the baseline.

    Attributes:
        fullname: of the case.
        verdict: one word.
        ratio: of the medians; None where nothing was compared.
        interval: between which the ratio lies, for all cases of the comparison at once.
        detectable: the ratio above 1 that would have been called a regression 9 times of 10.
        processes: that measured, of the baseline and of the contender.
        additional: about how many more on each side would settle it; None if it is settled, or if
            more of them would not.
        reason: one sentence.
        renamed: of a missing case its likely new name, of a new one its old name.
    """

    fullname: str
    verdict: Word
    ratio: float | None = None
    interval: tuple[float, float] | None = None
    detectable: float | None = None
    processes: tuple[int, int] = (0, 0)
    additional: int | None = None
    reason: str = ""
    renamed: str | None = None


@dataclass(frozen=True)
class CounterVerdict:
    """What is said of one exact counter of a case; any rise is a regression."""

    fullname: str
    counter: str
    base: int | None
    new: int | None
    verdict: Word


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
        return f"{self.fullname}: {self.why}" if self.fullname else self.why


@dataclass(frozen=True)
class Comparison:
    """All that a comparison says.

    Attributes:
        verdicts: one a case, in the order of the baseline, new ones last.
        counters: one a counter of each case whose counters were compared.
        notes: sentences about all of it.
        alpha: the chance of any false alarm in it.
        margin: changes up to this share are none.
    """

    verdicts: list[Verdict]
    counters: list[CounterVerdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    alpha: float = 0.01
    margin: float = 0.02

    @property
    def refusals(self) -> list[Refusal]:
        """Every reason to fail; none if the comparison passes.

        Something must have been judged: a comparison that could have seen no change of any size is
        no reason to pass.
        """
        failing = list(self._failing())
        return failing or ([] if self._is_judged else [Refusal("", _NOTHING)])

    @property
    def exit(self) -> Literal[0, 1]:
        """The exit status: 1 if anything is a reason to fail."""
        return 1 if self.refusals else 0

    @property
    def outcome(self) -> str:
        """Whether it passes, and how much of it is open, in a sentence."""
        refusals = self.refusals
        general = [refusal.why for refusal in refusals if not refusal.fullname]
        if general:
            return f"Fails: {general[0]}."
        if refusals:
            return f"Fails: {len(refusals)} {'reason' if len(refusals) == 1 else 'reasons'} above."
        undecided = sum(verdict.verdict == "inconclusive" for verdict in self.verdicts)
        share = f", {undecided} of {len(self.verdicts)} cases inconclusive" if undecided else ""
        return f"Passes{share}."

    def _failing(self) -> Iterator[Refusal]:
        for verdict in self.verdicts:
            if verdict.verdict in _FAILING:
                yield Refusal(verdict.fullname, f"{verdict.verdict}: {verdict.reason}")
        for counter in self.counters:
            if counter.verdict in _FAILING:
                yield Refusal(counter.fullname, counted(counter))

    @property
    def _is_judged(self) -> bool:
        timed = any(
            verdict.verdict in _JUDGED or verdict.detectable is not None
            for verdict in self.verdicts
        )
        return timed or any(counter.verdict in _JUDGED for counter in self.counters)


def counted(each: CounterVerdict) -> str:
    """Returns a counter's verdict as a sentence."""
    was, now = (_number(count) for count in (each.base, each.new))
    return f"counter {each.counter} {each.verdict}: {was} -> {now}"


def _number(count: int | None) -> str:
    return "none" if count is None else f"{count:,}"
