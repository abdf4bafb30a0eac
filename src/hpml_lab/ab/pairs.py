"""Two sides measured in random pairs until every case is settled or the time is spent."""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from hpml_lab.ab.looks import alpha_of_look, look_pairs
from hpml_lab.history.run import Run
from hpml_lab.verdict.compare import compare
from hpml_lab.verdict.comparison import Comparison, Verdict

Finish = Callable[[], Run]
Measuring = Callable[[int, Collection[str]], Finish]  # a pair's number, what to leave out


@dataclass
class Pairs:
    """The pairs of one comparison.

    Args:
        base: starts a process of the baseline, and gives what waits for its run.
        new: of the contender.
        seed: of the order within pairs.
        alpha: the chance of any false alarm in all of it.
        margin: changes up to this share are none.

    Attributes:
        comparison: what the last look says; a case that an earlier one has settled keeps its
            verdict.
    """

    base: Measuring
    new: Measuring
    seed: int
    alpha: float
    margin: float
    comparison: Comparison | None = None
    _runs: tuple[list[Run], list[Run]] = field(default_factory=lambda: ([], []))
    _settled: dict[str, Verdict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._order = [0, 1]

    @property
    def count(self) -> int:
        """How many pairs there are."""
        return len(self._runs[0])

    @property
    def settled(self) -> Collection[str]:
        """Cases whose verdict stands."""
        return self._settled.keys()

    @property
    def done(self) -> bool:
        """Whether all are settled."""
        return self.comparison is not None and len(self._settled) == len(self.comparison.verdicts)

    def run(self, enough: Callable[[], bool]) -> Comparison:
        """Returns the comparison when all is settled, or when it is enough.

        Args:
            enough: asked behind each pair; must not depend on what was measured of the cases.
        """
        for number, pairs in enumerate(look_pairs(), 1):
            spent = False
            while self.count < pairs and not spent:
                self._measure()
                spent = enough()
            comparison = self._look(alpha_of_look(self.alpha, number, last=spent))
            if spent or self.done:
                return comparison
        raise AssertionError("there is always another look")

    def _measure(self) -> None:
        """Measures one more pair at once, either side first; every second pair the other way round.

        What it costs to be first then cancels, whatever the seed.
        """
        if self.count % 2:
            self._order.reverse()
        else:
            self._random.shuffle(self._order)
        sides, number = (self.base, self.new), self.count + 1
        started = {side: sides[side](number, self.settled) for side in self._order}
        measured = {side: finish() for side, finish in started.items()}
        for side, run in measured.items():
            self._runs[side].append(run)

    def _look(self, alpha: float) -> Comparison:
        base, new = in_pairs(*self._runs)
        found = compare(base, new, alpha=alpha, margin=self.margin, paired=True)
        verdicts = [self._settled.get(verdict.fullname, verdict) for verdict in found.verdicts]
        self._settled = {
            verdict.fullname: verdict for verdict in verdicts if verdict.verdict != "inconclusive"
        }
        self.comparison = replace(found, verdicts=verdicts, alpha=self.alpha)
        return self.comparison


def in_pairs(base: Sequence[Run], new: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Returns the runs without what only one process of a pair has measured.

    A case that no process of the other side has measured stays: it is missing, or new.
    """
    both = _names(base) & _names(new)
    kept = [
        (_without(old, both - _names([now])), _without(now, both - _names([old])))
        for old, now in zip(base, new, strict=True)
    ]
    return [old for old, _ in kept], [now for _, now in kept]


def _names(runs: Sequence[Run]) -> set[str]:
    return {benchmark.fullname for run in runs for benchmark in run.benchmarks}


def _without(run: Run, names: set[str]) -> Run:
    kept = [benchmark for benchmark in run.benchmarks if benchmark.fullname not in names]
    return replace(run, benchmarks=kept)
