"""Exact counters of a machine's cases, beside those of the first machine."""

from collections.abc import Iterator
from dataclasses import dataclass

from hpml_lab.history.run import Run
from hpml_lab.measure.record import Measurement
from hpml_lab.verdict.comparability import differing
from hpml_lab.verdict.subjects import Subject


@dataclass(frozen=True)
class Counted:
    """Exact counters of a group of cases, beside the first machine's.

    Attributes:
        machine: the other machine.
        group: the cases' group.
        equal: counters of the same name and the same value in cases with equal settings.
        unequal: the others, as ``case: counter 1 != 2``.
        not_comparable: settings that differ, where no case has equal ones.
    """

    machine: str
    group: str
    equal: int
    unequal: list[str]
    not_comparable: list[str]


def counted(first: Subject, other: Subject) -> Iterator[Counted]:
    """Yields each group of cases that both have counters of."""
    theirs = _with_counters(other.run)
    for group, own in _with_counters(first.run).items():
        if group not in theirs:
            continue
        equal, unequal, reasons = 0, list[str](), dict[str, None]()
        for name, case in own:
            _, best = min(theirs[group], key=lambda named: len(_unlike(case, named[1])))
            shared = [key for key in case.counters if key in best.counters]
            if unlike := _unlike(case, best):
                reasons |= dict.fromkeys(unlike)
                continue
            wrong = [key for key in shared if case.counters[key] != best.counters[key]]
            equal += len(shared) - len(wrong)
            unequal += [f"{name}: {k} {case.counters[k]} != {best.counters[k]}" for k in wrong]
        yield Counted(other.name, group, equal, unequal, list(reasons) if not equal else [])


def _unlike(one: Measurement, other: Measurement) -> list[str]:
    return differing(one.case, other.case)


def _with_counters(run: Run) -> dict[str, list[tuple[str, Measurement]]]:
    found: dict[str, list[tuple[str, Measurement]]] = {}
    for benchmark in run.benchmarks:
        case = benchmark.measurement
        if case is not None and case.counters and benchmark.group:
            found.setdefault(benchmark.group, []).append((benchmark.name, case))
    return found
