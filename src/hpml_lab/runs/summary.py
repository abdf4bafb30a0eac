"""Summaries of many saved runs for a trend, read fast: no rounds, no memory, no timelines.

A file is decoded into the few fields below; everything else is skipped without making an object.
Only one file's text is in memory at a time.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from statistics import median

import msgspec

from hpml_lab.errors import RunFileError
from hpml_lab.runs.partial import BriefBenchmark, BriefMachineInfo, BriefRun, CommitInfo
from hpml_lab.runs.reading import decoded

_NO_COUNTERS: dict[str, int] = {}


class Case(msgspec.Struct, frozen=True, gc=False):
    """One benchmark of a run.

    Attributes:
        medians_s: Seconds of an iteration, the median of each process that has rounds; a benchmark
            without our record is one process.
        counters: Exact integers.
    """

    medians_s: tuple[float, ...]
    counters: dict[str, int]


@dataclass(frozen=True)
class Summary:
    """Summary of one saved run.

    Attributes:
        path: Its file.
        time: Time when it was saved; UTC if the file names no time zone.
        commit: Commit of the measured code; None if unknown.
        dirty: Whether that code had uncommitted changes.
        machine: Our name of the machine, or for a stock file its folder and processor.
        cases: Cases by the full name of the benchmark.
        unit: Which of the machines of its kind it is: the host, and its GPUs; for a stock file its
            node.
        ceilings: What the machine does at most, by name.
    """

    path: Path
    time: datetime
    commit: str | None
    dirty: bool
    machine: str
    cases: dict[str, Case]
    unit: str = ""
    ceilings: dict[str, float | None] = field(default_factory=dict)


_DECODER = msgspec.json.Decoder(BriefRun)


def summarise(paths: Iterable[Path]) -> Iterator[Summary | RunFileError]:
    """Summary of each file in the given order, or the error if it cannot be read.

    A copy of an earlier run is an error too: a measurement counts once.
    """
    seen: dict[tuple[object, ...], Path] = {}
    for path in paths:
        try:
            result = summary(path)
        except RunFileError as error:
            yield error
            continue
        times = ((name, case.medians_s) for name, case in result.cases.items())
        first = seen.setdefault((result.time, result.machine, *times), path)
        if result.cases and first != path:
            yield RunFileError(f"run file {str(path)!r} is a copy of {str(first)!r}", path)
        else:
            yield result


def summary(path: Path) -> Summary:
    """Summary of the run saved in a file.

    Raises:
        RunFileError: if the file cannot be read, is too large, or is not a saved run.
    """
    file = decoded(path, _DECODER)
    commit = file.commit_info or CommitInfo()
    return Summary(
        path=path,
        time=file.time if file.time.tzinfo else file.time.replace(tzinfo=UTC),
        commit=commit.id,
        dirty=bool(commit.dirty),
        machine=_machine(path, file.machine_info),
        # All runs share one copy of a name: histories are thousands of runs of the same cases.
        cases={sys.intern(benchmark.fullname): _case(benchmark) for benchmark in file.benchmarks},
        unit=_unit(file.machine_info),
        ceilings=file.machine_info.hpml.ceilings if file.machine_info.hpml else {},
    )


def _unit(info: BriefMachineInfo) -> str:
    if info.hpml is None or info.hpml.unit is None:
        return info.node
    return " ".join([info.hpml.unit.host, *info.hpml.unit.gpu_uuids])


def _case(benchmark: BriefBenchmark) -> Case:
    record = benchmark.extra_info.hpml if benchmark.extra_info else None
    if record is None:
        return Case((benchmark.stats.median,), _NO_COUNTERS)
    medians = tuple(median(rounds) for rounds in record.processes if rounds)
    return Case(medians or (benchmark.stats.median,), record.counters or _NO_COUNTERS)


def _machine(path: Path, info: BriefMachineInfo) -> str:
    if info.hpml:
        return info.hpml.id
    brand = (info.cpu.brand_raw or info.cpu.brand) if info.cpu else ""
    processor = re.sub(r"[^a-z0-9]+", "-", brand.lower()).strip("-")
    folder = path.absolute().parent.name
    return f"{folder}/{processor}" if processor else folder


Measured = list[tuple[int, Case]]  # the places of the runs that have a case, with the case


def by_case(runs: Sequence[Summary]) -> dict[str, Measured]:
    """Measurements of each case in a history, under its last name.

    Two names are one case if no run has both and their files are the same but for the folders in
    front of them (`.tox/py27/capnpy/test_ctor.py`, `.tox/py27-bench/capnpy/test_ctor.py`).

    Args:
        runs: the runs, oldest first.
    """
    named: dict[str, Measured] = {}
    for place, run in enumerate(runs):
        for name, case in run.cases.items():
            named.setdefault(name, []).append((place, case))
    tests: dict[tuple[str, str], dict[str, Measured]] = {}
    for name, measured in named.items():
        _add(tests.setdefault(file_and_test(name), {}), name, measured)
    return {name: measured for cases in tests.values() for name, measured in cases.items()}


def file_and_test(fullname: str) -> tuple[str, str]:
    """Name of a case's file without its folders, and name of the test."""
    path, _, test = fullname.partition("::")
    return PurePosixPath(path).name, test


def _add(cases: dict[str, Measured], name: str, measured: Measured) -> None:
    """Adds a name to the others of its test, or merges it with the name that it continues."""
    places = {place for place, _ in measured}
    for other, earlier in cases.items():
        if _same_file(other, name) and places.isdisjoint(place for place, _ in earlier):
            del cases[other]
            joined = sorted([*earlier, *measured], key=lambda pair: pair[0])
            cases[max((earlier, other), (measured, name), key=_last)[1]] = joined
            return
    cases[name] = measured


def _last(named: tuple[Measured, str]) -> int:
    return named[0][-1][0]


def _same_file(first: str, second: str) -> bool:
    """Whether two paths have the same end: the file and its folder, or all of the shorter path."""
    paths = (PurePosixPath(name.partition("::")[0]).parts for name in (first, second))
    short, long = sorted(paths, key=len)
    count = min(len(short), 2)
    return short[-count:] == long[-count:]
