"""What a comparison of runs says: a word for every case and counter, and whether a gate passes."""

from dataclasses import dataclass, field
from typing import Literal

Word = Literal[
    "regressed", "improved", "unchanged", "inconclusive", "missing", "new", "not comparable"
]
FAILING: tuple[Word, ...] = ("regressed", "missing", "not comparable")


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
        further: about how many more on each side would settle it; None if it is settled, or if
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
    further: int | None = None
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
    def failures(self) -> list[str]:
        """What fails a gate: a full name and the reason in each."""
        if not any(verdict.verdict != "new" for verdict in self.verdicts):
            return ["nothing was compared: the baseline holds no case; save one and name it"]
        return [
            *(f"{each.fullname}: {each.reason}" for each in self.verdicts if _fails(each)),
            *(f"{each.fullname}: {counted(each)}" for each in self.counters if _fails(each)),
        ]

    @property
    def exit(self) -> Literal[0, 1]:
        """The exit status: 1 if anything fails."""
        return 1 if self.failures else 0


def _fails(each: Verdict | CounterVerdict) -> bool:
    return each.verdict in FAILING


def counted(each: CounterVerdict) -> str:
    """Returns a counter's verdict as a sentence."""
    was, now = (_number(count) for count in (each.base, each.new))
    return f"counter {each.counter} {each.verdict}: {was} -> {now}"


def _number(count: int | None) -> str:
    return "none" if count is None else f"{count:,}"
