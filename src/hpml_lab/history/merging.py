"""One run from what several processes left of its tests."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict

from hpml_lab.history.ending import Ending, Record
from hpml_lab.measure.record import EXACT_PEAKS, Failure, Measurement, is_value


def assembled(
    endings: Mapping[str, Sequence[Ending]], processes: int
) -> tuple[list[Record], dict[str, list[Failure]]]:
    """Returns what is saved of a run.

    Args:
        endings: of each test, by node id, what the processes left.
        processes: how many there are.

    Returns:
        the benchmark of each test that was measured, and of any other that failed its failures.
    """
    benchmarks, unmeasured = [], {}
    for nodeid, left in endings.items():
        records = {each.process: each.benchmark for each in left if each.benchmark}
        failures = [each.failure for each in left if each.failure]
        if records:
            benchmarks.append(merged(records, failures, processes))
        elif failures:
            unmeasured[nodeid] = failures
    return benchmarks, unmeasured


def merged(records: Mapping[int, Record], failures: Iterable[Failure], processes: int) -> Record:
    """Returns the benchmark of a case.

    Args:
        records: what each process measured, by its number; at least one.
        failures: of the processes that did not.
        processes: how many there are.

    Returns:
        the record of the middle process by its median round, whose epochs and stalls stand for the
        case, with the rounds of all in ``stats.data`` and, by process, in
        ``extra_info.hpml.processes``.
    """
    middle = _middle(records)
    rounds = [_rounds(records.get(number)) for number in range(1, processes + 1)]
    ours = {number: _measurement(record) for number, record in sorted(records.items())}
    measurement = _measurement(middle) | {
        "counters": next(iter(ours.values()))["counters"],  # of the first: flags name the others'
        "processes": rounds,
        "sampling": [_sampling(ours.get(number)) for number in range(1, processes + 1)],
        "failures": [asdict(failure) for failure in failures],
        "flags": list(dict.fromkeys([*_flags(ours.values()), *_differences(ours)])),
    }
    return middle | {
        "stats": middle["stats"] | {"data": [second for each in rounds for second in each]},
        "extra_info": middle["extra_info"] | {"hpml": measurement},
    }


def _middle(records: Mapping[int, Record]) -> Record:
    """Returns the lower middle of the processes that have rounds; the first if none has."""
    taken = [record for _, record in sorted(records.items())]
    measured = sorted(filter(_rounds, taken), key=lambda record: statistics.median(_rounds(record)))
    return measured[(len(measured) - 1) // 2] if measured else taken[0]


def _rounds(record: Record | None) -> list[float]:
    return list(record["stats"]["data"]) if record else []


def _sampling(ours: Record | None) -> Record | None:
    taken = ours.get("sampling") if ours else None
    return taken[0] if taken else None


def _measurement(record: Record) -> Record:
    """Returns our record; of a test with the stock fixture, one made from its parameters."""
    ours: Record | None = record["extra_info"].get("hpml")
    if ours is not None:
        return ours
    parameters = record["params"] or {}
    case = {name: value for name, value in parameters.items() if is_value(value)}
    return asdict(Measurement(case=case, samples=None, processes=[]))


def _flags(ours: Iterable[Record]) -> Iterator[str]:
    for each in ours:
        yield from each.get("flags", [])


def _differences(ours: Mapping[int, Record]) -> Iterator[str]:
    (_, first), *others = ((number, _exact(each)) for number, each in ours.items())
    for number, counters in others:
        for name in sorted(first.keys() | counters.keys()):
            one, other = first.get(name), counters.get(name)
            if one != other:
                yield f"counters differ: {name} {one} != {other} in process {number}"


def _exact(ours: Record) -> dict[str, int]:
    memory: dict[str, int] = ours.get("memory", {})
    peaks = {name: memory[name] for name in EXACT_PEAKS if name in memory}
    return {**ours["counters"], **peaks}
