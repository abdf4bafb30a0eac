"""Runs of different machines beside the first one: what can be compared, and what it says.

Ratios within a machine, exact counters and shares of the roofline are compared; seconds are not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hpml_lab.errors import InputError
from hpml_lab.history.cases import typical_s
from hpml_lab.theory.roofline import Position
from hpml_lab.verdict.agreement import Table, tables
from hpml_lab.verdict.counted import Counted, counted
from hpml_lab.verdict.roofline import has_work, place
from hpml_lab.verdict.subjects import Subject

ALPHA = 0.01  # chance of any false `differ` in all tables


@dataclass(frozen=True)
class Placed:
    """A case under the roofline of its own machine."""

    machine: str
    case: str
    samples_per_s: float
    position: Position


@dataclass(frozen=True)
class Across:
    """What runs of different machines say together."""

    subjects: list[Subject]
    tables: list[Table]
    counted: list[Counted]
    placed: list[Placed]
    alpha: float


def across(subjects: Sequence[Subject], alpha: float = ALPHA) -> Across:
    """Returns the runs beside the first of them.

    Args:
        subjects: at least one; questions that the first has no answer to are left out.
        alpha: the chance of any false `differ` in all tables, in (0, 1).

    Raises:
        InputError: for an alpha that is no such chance.
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha {alpha} is not between 0 and 1")
    first, *others = subjects
    return Across(
        list(subjects),
        tables(first, others, alpha),
        [row for other in others for row in counted(first, other)],
        [row for subject in subjects for row in _placed(subject)],
        alpha,
    )


def _placed(subject: Subject) -> Iterator[Placed]:
    machine = subject.run.machine_info.hpml
    for benchmark in subject.run.benchmarks:
        case = benchmark.measurement
        if case is not None and has_work(case):
            position = place(case, machine.ceilings if machine else {})
            rate = (case.samples or 0) / typical_s(case)
            yield Placed(subject.name, benchmark.name, rate, position)
