"""A paired experiment: both sides in random order until every case is settled, or time is up."""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from hpml_lab.comparison.compare import compare
from hpml_lab.comparison.verdicts import Comparison, Verdict
from hpml_lab.runs.schema import Run
from hpml_lab.stats.sequential import alpha_of_look, look_pairs

Finish = Callable[[], Run]
Measuring = Callable[
    [int, Collection[str]], Finish
]  # arguments: number of the pair, cases to leave out


@dataclass
class PairedExperiment:
    """The pairs of one comparison.

    Args:
        base: starts a process of the baseline, and returns a function that waits for its run.
        new: the same for the contender.
        seed: seed of the order within pairs.
        alpha: the chance of any false alarm in all looks together.
        margin: equivalence margin: changes up to this share count as none.

    Attributes:
        comparison: Result of the last look; a case that an earlier look has settled keeps its
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
        """Number of measured pairs."""
        return len(self._runs[0])

    @property
    def settled(self) -> Collection[str]:
        """Cases whose verdict is final."""
        return self._settled.keys()

    @property
    def done(self) -> bool:
        """Whether all cases are settled."""
        return self.comparison is not None and len(self._settled) == len(self.comparison.verdicts)

    def run(self, enough: Callable[[], bool]) -> Comparison:
        """Measures pairs until all cases are settled or the budget is spent.

        Args:
            enough: whether the budget is spent, called after each pair; must not depend on the
                times of the cases.
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
        """Measures one pair at once, in random order; every second pair in the reverse order.

        So the cost of being first cancels, whatever the seed.
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
        baseline, contender = run_pairs(*self._runs)
        look = compare(baseline, contender, alpha=alpha, margin=self.margin, paired=True)
        verdicts = [self._settled.get(verdict.fullname, verdict) for verdict in look.verdicts]
        self._settled = {
            verdict.fullname: verdict for verdict in verdicts if verdict.verdict != "inconclusive"
        }
        self.comparison = replace(look, verdicts=verdicts, alpha=self.alpha)
        return self.comparison


def run_pairs(base: Sequence[Run], new: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Runs of both sides without the cases that only one process of a pair measured.

    A case that no process of the other side measured stays: it is missing, or new.
    """
    both = _names(base) & _names(new)
    kept = [
        (
            _without(baseline, both - _names([contender])),
            _without(contender, both - _names([baseline])),
        )
        for baseline, contender in zip(base, new, strict=True)
    ]
    return [baseline for baseline, _ in kept], [contender for _, contender in kept]


def _names(runs: Sequence[Run]) -> set[str]:
    return {benchmark.fullname for run in runs for benchmark in run.benchmarks}


def _without(run: Run, names: set[str]) -> Run:
    kept = [benchmark for benchmark in run.benchmarks if benchmark.fullname not in names]
    return replace(run, benchmarks=kept)
