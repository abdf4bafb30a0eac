"""Result of a comparison: a verdict for every case and counter, and whether it passes.

`hpml-lab compare`, the gate and `hpml-lab ab` share one rule: a comparison passes only if something
was judged and nothing failed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Status = Literal[
    "regressed", "improved", "unchanged", "inconclusive", "missing", "new", "not comparable"
]
_FAILING: tuple[Status, ...] = ("regressed", "missing", "not comparable")
_JUDGED: tuple[Status, ...] = ("regressed", "improved", "unchanged")
_NOTHING = (
    "nothing was judged: no measured case is in the baseline, or too few processes measured it; "
    "select cases that it has, or save it again with 3 processes"
)


@dataclass(frozen=True)
class Verdict:
    """Verdict of one case. Ratios are time of the contender by time of the baseline.

    Attributes:
        fullname: Full name of the case.
        verdict: Status of the case.
        ratio: Ratio of the medians; None where nothing was compared.
        interval: Confidence interval of the ratio, simultaneous for all cases of the comparison.
        detectable: Minimum detectable effect: the ratio above 1 that is called a regression with a
            power of 90 %.
        processes: Number of processes that measured it, of the baseline and of the contender.
        additional: Estimated number of additional processes on each side that would settle it;
            None if it is settled, or if more of them would not.
        reason: Reason for the verdict, one sentence.
        renamed: Likely new name of a missing case, likely old name of a new one.
        warnings: What either side's record says against its times.
    """

    fullname: str
    verdict: Status
    ratio: float | None = None
    interval: tuple[float, float] | None = None
    detectable: float | None = None
    processes: tuple[int, int] = (0, 0)
    additional: int | None = None
    reason: str = ""
    renamed: str | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class CounterVerdict:
    """Verdict of one exact counter of a case; any rise is a regression."""

    fullname: str
    counter: str
    base: int | None
    new: int | None
    verdict: Status


@dataclass(frozen=True)
class Refusal:
    """One reason why a comparison fails.

    Attributes:
        fullname: Full name of the case; empty if the reason is about no single case.
        why: The reason, one line.
    """

    fullname: str
    why: str

    def __str__(self) -> str:
        """Case and reason in one line."""
        return f"{self.fullname}: {self.why}" if self.fullname else self.why


@dataclass(frozen=True)
class Comparison:
    """Result of a comparison of two sides.

    Attributes:
        verdicts: One verdict for each case, in the order of the baseline, new ones last.
        counters: One verdict for each counter of the cases whose counters were compared.
        notes: Sentences about the whole comparison.
        alpha: Chance of any false alarm in it.
        margin: Equivalence margin: changes up to this share count as none.
    """

    verdicts: list[Verdict]
    counters: list[CounterVerdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    alpha: float = 0.01
    margin: float = 0.02

    @property
    def refusals(self) -> list[Refusal]:
        """Reasons to fail; empty if the comparison passes.

        Something must have been judged: a comparison that could not detect a change of any size
        does not pass.
        """
        failing = list(self._failing())
        return failing or ([] if self._is_judged else [Refusal("", _NOTHING)])

    @property
    def exit(self) -> Literal[0, 1]:
        """The exit status: 1 if anything is a reason to fail."""
        return 1 if self.refusals else 0

    @property
    def outcome(self) -> str:
        """Sentence that says whether it passes, and how many cases are inconclusive."""
        refusals = self.refusals
        general = [refusal.why for refusal in refusals if not refusal.fullname]
        if general:
            return f"Fails: {general[0]}."
        if refusals:
            return f"Fails: {', '.join(self._counts())}."
        undecided = sum(verdict.verdict == "inconclusive" for verdict in self.verdicts)
        share = f"{undecided} of {len(self.verdicts)} cases inconclusive"
        if not self._is_time_judged:
            count = sum(counter.verdict in _JUDGED for counter in self.counters)
            return f"Passes on {count} counters alone: no time was judged, {share}."
        return f"Passes, {share}." if undecided else "Passes."

    def _counts(self) -> Iterator[str]:
        """Yields how many cases and counters fail by each status."""
        for what, verdicts in (("case", self.verdicts), ("counter", self.counters)):
            words = [verdict.verdict for verdict in verdicts if verdict.verdict in _FAILING]
            for word in dict.fromkeys(words):
                count = words.count(word)
                yield f"{count:,} {what}{'' if count == 1 else 's'} {word}"

    def _failing(self) -> Iterator[Refusal]:
        for verdict in self.verdicts:
            if verdict.verdict in _FAILING:
                yield Refusal(verdict.fullname, f"{verdict.verdict}: {verdict.reason}")
        for counter in self.counters:
            if counter.verdict in _FAILING:
                yield Refusal(counter.fullname, counted(counter))

    @property
    def _is_judged(self) -> bool:
        return self._is_time_judged or any(counter.verdict in _JUDGED for counter in self.counters)

    @property
    def _is_time_judged(self) -> bool:
        return any(
            verdict.verdict in _JUDGED or verdict.detectable is not None
            for verdict in self.verdicts
        )


def counted(counter: CounterVerdict) -> str:
    """Verdict of a counter as a sentence."""
    baseline, contender = (_number(count) for count in (counter.base, counter.new))
    return f"counter {counter.counter} {counter.verdict}: {baseline} -> {contender}"


def _number(count: int | None) -> str:
    return "none" if count is None else f"{count:,}"
