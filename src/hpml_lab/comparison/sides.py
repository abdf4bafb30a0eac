"""One side of a comparison: the cases of its runs, with the processes that measured them."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hpml_lab.runs.schema import Benchmark, Failure, Measurement, Run

Array = NDArray[np.float64]


@dataclass
class Case:
    """One case in the runs of a side.

    Attributes:
        fullname: Its full name.
        logs: By run, the logs of its processes' medians, NaN for a process without one; a stock
            file is one process.
        measurement: Our record in the last run that has one.
        failures: Failures of processes without a result.
        warnings: Flags and signs of unsteady rounds.
        disturbed: Number of processes disturbed by other load; these are not among the logs.
        present: Whether any process has rounds of it, with usable times or not.
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
        """Number of processes that measured it."""
        return sum(int(np.isfinite(logs).sum()) for logs in self.logs.values())

    @property
    def settings(self) -> dict[str, object]:
        """All settings that name it, samples included; empty in a stock file."""
        if self.measurement is None:
            return {}
        samples = self.measurement.samples
        return {**({} if samples is None else {"samples": samples}), **self.measurement.case}

    @property
    def counters(self) -> dict[str, int]:
        """Its exact counters and peaks; empty in a stock file."""
        return self.measurement.counters | self.measurement.peaks if self.measurement else {}


def cases_of(runs: Sequence[Run]) -> dict[str, Case]:
    """Cases of all runs by full name, in the order in which they appear."""
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
    """Places of the processes of which half of the cases or more were disturbed.

    The other load was present for their other cases too, although these did not wait for it.
    """
    measured, disturbed = Counter[int](), Counter[int]()
    for record in (benchmark.measurement for benchmark in run.benchmarks):
        measured.update(
            place for place, rounds in enumerate(record.processes if record else []) if rounds
        )
        disturbed.update(_disturbed(record))
    return {place for place, count in disturbed.items() if 2 * count >= measured[place]}


def _enter(case: Case, run: int, benchmark: Benchmark, spoilt: Collection[int]) -> None:
    record = benchmark.measurement
    logs = process_logs(benchmark)
    additional = [place for place in spoilt if place < len(logs) and np.isfinite(logs[place])]
    logs[additional] = np.nan
    case.logs[run] = logs
    case.disturbed += len(_disturbed(record)) + len(additional)
    case.present = case.present or record is None or any(record.processes)
    case.measurement = record or case.measurement
    if record is not None:
        case.failures.extend(record.failures)
        case.warnings.extend(
            warning for warning in _warnings(record) if warning not in case.warnings
        )


def process_logs(benchmark: Benchmark) -> Array:
    """Logs of the medians of a benchmark's processes, NaN for one without a time.

    A stock file is one process. Processes disturbed by other load have no time of the case.
    """
    record = benchmark.measurement
    processes = record.processes if record else [[benchmark.stats.median]]
    medians = np.array([np.median(rounds) if rounds else np.nan for rounds in processes])
    usable = np.isfinite(medians) & (medians > 0)
    usable[_disturbed(record)] = False
    return np.where(usable, np.log(np.where(usable, medians, 1.0)), np.nan)


def _disturbed(record: Measurement | None) -> list[int]:
    """Places of the processes disturbed by other load."""
    sampled = enumerate(record.sampling[: len(record.processes)]) if record else ()
    return [
        place
        for place, sampling in sampled
        if sampling is not None and sampling.disturbed and record and record.processes[place]
    ]


def _warnings(record: Measurement) -> Iterator[str]:
    yield from record.flags
    for process in record.sampling:
        yield from process.unstable if process else []


def arrays(cases: Sequence[Case], runs: int) -> list[Array]:
    """One array (cases, processes) for each run, NaN where a case has no such process.

    Runs without any of the cases are left out.
    """
    return [array for run in range(runs) if (array := _array(cases, run)).shape[-1]]


def _array(cases: Sequence[Case], run: int) -> Array:
    logs = [case.logs.get(run, np.empty(0)) for case in cases]
    array = np.full((len(cases), max(map(len, logs), default=0)), np.nan)
    for row, values in zip(array, logs, strict=True):
        row[: len(values)] = values
    return array


@dataclass(frozen=True)
class Subject:
    """A run named by its machine, with the caveats that hold for all of its numbers."""

    name: str
    run: Run
    caveats: list[str] = field(default_factory=list)


def subjects(runs: Sequence[tuple[str, Run]]) -> list[Subject]:
    """Runs named by their machines, or by their files where machines have the same name.

    Args:
        runs: pairs of a file's name and its run; a stock run is named by its file.
    """
    names = [run.machine_info.hpml.id if run.machine_info.hpml else file for file, run in runs]
    return [
        Subject(name if names.count(name) == 1 else file, run)
        for name, (file, run) in zip(names, runs, strict=True)
    ]
