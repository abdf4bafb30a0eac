"""Merging of the results of all processes into one benchmark for each case."""

import itertools
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hpml_lab.runs.schema import EXACT_PEAKS, Failure, Measurement, is_value

Record = dict[str, Any]  # a benchmark as pytest-benchmark writes it, ``stats.data`` included

# These signals, sent to end a whole run, reach its worker processes too, one of them perhaps first.
_KILLED = frozenset({"SIGKILL", "SIGTERM"})


@dataclass(frozen=True)
class ProcessResult:
    """Result of one test in one process.

    Attributes:
        process: Number of the process.
        failure: Reason why there is no benchmark; None if the test passed or was skipped.
        reports: Reports of pytest, as JSON; none for a test that crashed its process.
        benchmark: The benchmark, if anything was measured.
        log: Last output of a process that died.
        duration_s: Duration of a test that crashed its process.
    """

    process: int
    failure: Failure | None
    reports: list[dict[str, Any]] = field(default_factory=list)
    benchmark: Record | None = None
    log: str = ""
    duration_s: float = 0.0

    @property
    def outcome(self) -> str:
        """Outcome in words."""
        if self.failure is None:
            skipped = any(report["outcome"] == "skipped" for report in self.reports)
            return "skipped" if skipped else "passed"
        kind, message = self.failure.kind, self.failure.message
        return kind if self.reports else f"{kind} ({message})"

    @property
    def killed(self) -> bool:
        """Whether the process was killed from outside."""
        return self.failure is not None and self.failure.signal in _KILLED


def merge_results(
    endings: Mapping[str, Sequence[ProcessResult]], processes: int
) -> tuple[list[Record], dict[str, list[Failure]]]:
    """Benchmarks of a run, merged over its processes, and the failures of unmeasured tests.

    Args:
        endings: results of the processes, by node id of the test.
        processes: number of processes.

    Returns:
        the benchmark of each measured test, and the failures of each other test that failed.
    """
    benchmarks, unmeasured = [], {}
    for nodeid, results in endings.items():
        records = {result.process: result.benchmark for result in results if result.benchmark}
        failures = [result.failure for result in results if result.failure]
        if records:
            benchmarks.append(merge_case(records, failures, processes))
        elif failures:
            unmeasured[nodeid] = failures
    return benchmarks, unmeasured


def merge_case(
    records: Mapping[int, Record], failures: Iterable[Failure], processes: int
) -> Record:
    """Benchmark of a case, merged over its processes.

    Args:
        records: the benchmark of each process that measured it, by its number; at least one.
        failures: failures of the other processes.
        processes: number of processes.

    Returns:
        the record of the representative process, the one with the low median of the median rounds,
        whose epochs and stalls stand for the case, with the rounds of all in ``stats.data`` and, by
        process, in ``extra_info.hpml.processes``.
    """
    representative = _representative(records)
    rounds = [_rounds(records.get(number)) for number in range(1, processes + 1)]
    by_process = {number: _measurement(record) for number, record in sorted(records.items())}
    measurement = _measurement(representative) | {
        "counters": next(iter(by_process.values()))["counters"],  # flags name the others' values
        "processes": rounds,
        "sampling": [_sampling(by_process.get(number)) for number in range(1, processes + 1)],
        "failures": [asdict(failure) for failure in failures],
        "flags": list(dict.fromkeys([*_flags(by_process.values()), *_differences(by_process)])),
        "trace": next(filter(None, map(_trace, by_process.values())), None),
    }
    return representative | {
        "stats": representative["stats"] | {"data": list(itertools.chain.from_iterable(rounds))},
        "extra_info": representative["extra_info"] | {"hpml": measurement},
    }


def _representative(records: Mapping[int, Record]) -> Record:
    """Record of the process with the low median of the median rounds; the first without rounds."""
    in_order = [record for _, record in sorted(records.items())]
    measured = sorted(
        filter(_rounds, in_order), key=lambda record: statistics.median(_rounds(record))
    )
    return measured[(len(measured) - 1) // 2] if measured else in_order[0]


def _rounds(record: Record | None) -> list[float]:
    return list(record["stats"]["data"]) if record else []


def _trace(measurement: Record) -> Record | None:
    """What one process was traced by, whichever it is."""
    trace: Record | None = measurement.get("trace")
    return trace


def _sampling(measurement: Record | None) -> Record | None:
    sampling = measurement.get("sampling") if measurement else None
    return sampling[0] if sampling else None


def _measurement(record: Record) -> Record:
    """Our record; for a test with the stock fixture, one made from its parameters."""
    measurement: Record | None = record["extra_info"].get("hpml")
    if measurement is not None:
        return measurement
    parameters = record["params"] or {}
    case = {name: value for name, value in parameters.items() if is_value(value)}
    return asdict(Measurement(case=case, samples=None, processes=[]))


def _flags(measurements: Iterable[Record]) -> Iterator[str]:
    for measurement in measurements:
        yield from measurement.get("flags", [])


def _differences(by_process: Mapping[int, Record]) -> Iterator[str]:
    (_, first), *others = (
        (number, _exact(measurement)) for number, measurement in by_process.items()
    )
    for number, counters in others:
        for name in sorted(first.keys() | counters.keys()):
            expected, value = first.get(name), counters.get(name)
            if expected != value:
                yield f"counters differ: {name} {expected} != {value} in process {number}"


def _exact(measurement: Record) -> dict[str, int]:
    memory: dict[str, int] = measurement.get("memory", {})
    peaks = {name: memory[name] for name in EXACT_PEAKS if name in memory}
    return {**measurement["counters"], **peaks}
