"""One side of a comparison: the cases of its runs, with the processes that measured each."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hpml_lab.history.run import Benchmark, Run
from hpml_lab.measure.record import Failure, Measurement

Array = NDArray[np.float64]


@dataclass
class Case:
    """What the runs of a side hold of one case.

    Attributes:
        fullname: its name.
        logs: by run, those of its processes' medians, NaN of one that left none; a stock file is
            one process.
        measurement: our record in the last run that has one.
        failures: of processes that left nothing.
        warnings: what was flagged or unsteady.
        disturbed: how many processes others disturbed; these are not among the logs.
        present: whether any process left rounds of it, be their time usable or not.
    """

    fullname: str
    logs: dict[int, Array] = field(default_factory=dict)
    measurement: Measurement | None = None
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    disturbed: int = 0
    present: bool = False

    @property
    def processes(self) -> int:
        """How many measured it."""
        return sum(int(np.isfinite(logs).sum()) for logs in self.logs.values())

    @property
    def settings(self) -> dict[str, object]:
        """Everything that names it, samples included; empty in a stock file."""
        if self.measurement is None:
            return {}
        samples = self.measurement.samples
        return {**({} if samples is None else {"samples": samples}), **self.measurement.case}

    @property
    def counters(self) -> dict[str, int]:
        """Its exact counters and peaks; empty in a stock file."""
        return self.measurement.counters | self.measurement.peaks if self.measurement else {}


def cases_of(runs: Sequence[Run]) -> dict[str, Case]:
    """Returns the cases of all runs by full name, in the order in which they appear."""
    cases: dict[str, Case] = {}
    for index, run in enumerate(runs):
        spoilt = _mostly_disturbed(run)
        for benchmark in run.benchmarks:
            case = cases.setdefault(benchmark.fullname, Case(benchmark.fullname))
            _enter(case, index, benchmark, spoilt)
        for fullname, failures in (run.hpml.unmeasured if run.hpml else {}).items():
            cases.setdefault(fullname, Case(fullname)).failures.extend(failures)
    return cases


def _mostly_disturbed(run: Run) -> set[int]:
    """Returns the places of the processes of which half of the cases or more were disturbed.

    Who took the machine then was there for the others too, though they did not wait for it.
    """
    measured, disturbed = Counter[int](), Counter[int]()
    for ours in (benchmark.measurement for benchmark in run.benchmarks):
        measured.update(
            place for place, rounds in enumerate(ours.processes if ours else []) if rounds
        )
        disturbed.update(_disturbed(ours))
    return {place for place, count in disturbed.items() if 2 * count >= measured[place]}


def _enter(case: Case, run: int, benchmark: Benchmark, spoilt: Collection[int]) -> None:
    ours = benchmark.measurement
    logs = process_logs(benchmark)
    more = [place for place in spoilt if place < len(logs) and np.isfinite(logs[place])]
    logs[more] = np.nan
    case.logs[run] = logs
    case.disturbed += len(_disturbed(ours)) + len(more)
    case.present = case.present or ours is None or any(ours.processes)
    case.measurement = ours or case.measurement
    if ours is not None:
        case.failures.extend(ours.failures)
        case.warnings.extend(warning for warning in _warnings(ours) if warning not in case.warnings)


def process_logs(benchmark: Benchmark) -> Array:
    """Returns the logs of the medians of a benchmark's processes, NaN of one without a time.

    A stock file is one process. Processes that others disturbed have no time of the case.
    """
    ours = benchmark.measurement
    processes = ours.processes if ours else [[benchmark.stats.median]]
    medians = np.array([np.median(rounds) if rounds else np.nan for rounds in processes])
    usable = np.isfinite(medians) & (medians > 0)
    usable[_disturbed(ours)] = False
    return np.where(usable, np.log(np.where(usable, medians, 1.0)), np.nan)


def _disturbed(ours: Measurement | None) -> list[int]:
    """Returns the places of the processes that others disturbed."""
    sampled = enumerate(ours.sampling[: len(ours.processes)]) if ours else ()
    return [
        place
        for place, how in sampled
        if how is not None and how.disturbed and ours and ours.processes[place]
    ]


def _warnings(ours: Measurement) -> Iterator[str]:
    yield from ours.flags
    for process in ours.sampling:
        yield from process.unstable if process else []


def arrays(cases: Sequence[Case], runs: int) -> list[Array]:
    """Returns for each run an array (cases, processes), NaN where a case has no such process.

    Runs without any of the cases are left out.
    """
    return [array for run in range(runs) if (array := _array(cases, run)).shape[-1]]


def _array(cases: Sequence[Case], run: int) -> Array:
    logs = [case.logs.get(run, np.empty(0)) for case in cases]
    array = np.full((len(cases), max(map(len, logs), default=0)), np.nan)
    for row, values in zip(array, logs, strict=True):
        row[: len(values)] = values
    return array
