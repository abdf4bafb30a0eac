"""What a trend needs of many saved runs, read fast: no rounds, no memory, no timelines.

A file is decoded into the few fields below; all else in it is passed over without making an object.
One file's text is held at a time.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import msgspec

from hpml_lab.errors import RunFileError
from hpml_lab.history.run import decoded

_NO_COUNTERS: dict[str, int] = {}


class Case(msgspec.Struct, frozen=True, gc=False):
    """One benchmark of a run.

    Attributes:
        medians_s: seconds of an iteration, the median of each process that has rounds; a benchmark
            without our record is one process.
        counters: exact integers.
    """

    medians_s: tuple[float, ...]
    counters: dict[str, int]


@dataclass(frozen=True)
class Summary:
    """One saved run, as short as can be.

    Attributes:
        path: its file.
        time: when it was saved; a file that names no zone means UTC.
        commit: of the code that was measured; None if unknown.
        dirty: whether that code had changes that were not committed.
        machine: our name of the machine, or for a stock file its folder and processor.
        cases: by the full name of the benchmark.
    """

    path: Path
    time: datetime
    commit: str | None
    dirty: bool
    machine: str
    cases: dict[str, Case]


class _Stats(msgspec.Struct, gc=False):
    median: float


class _Record(msgspec.Struct, gc=False):
    processes: list[list[float]]
    counters: dict[str, int] = {}


class _ExtraInfo(msgspec.Struct, gc=False):
    hpml: _Record | None = None


class _Benchmark(msgspec.Struct, gc=False):
    fullname: str
    stats: _Stats
    extra_info: _ExtraInfo | None = None


class _Processor(msgspec.Struct, gc=False):
    brand_raw: str = ""
    brand: str = ""


class _Machine(msgspec.Struct, gc=False):
    id: str


class _MachineInfo(msgspec.Struct, gc=False):
    hpml: _Machine | None = None
    cpu: _Processor | None = None


class _CommitInfo(msgspec.Struct, gc=False):
    id: str | None = None
    dirty: bool | None = None


class _File(msgspec.Struct, gc=False):
    machine_info: _MachineInfo
    benchmarks: list[_Benchmark]
    time: datetime = msgspec.field(name="datetime")
    commit_info: _CommitInfo | None = None


_DECODER = msgspec.json.Decoder(_File)


def summarise(paths: Iterable[Path]) -> Iterator[Summary | RunFileError]:
    """Yields the summary of each file in the order given, or why it cannot be read.

    A copy of a run cannot be: what was measured once counts once.
    """
    seen: dict[tuple[object, ...], Path] = {}
    for path in paths:
        try:
            found = summary(path)
        except RunFileError as error:
            yield error
            continue
        content = (found.time, found.machine, *((n, c.medians_s) for n, c in found.cases.items()))
        first = seen.setdefault(content, path)
        if found.cases and first != path:
            yield RunFileError(f"run file {str(path)!r} is a copy of {str(first)!r}", path)
        else:
            yield found


def summary(path: Path) -> Summary:
    """Returns the summary of the run saved in a file.

    Raises:
        RunFileError: if the file cannot be read, is too large, or is not such a run.
    """
    file = decoded(path, _DECODER)
    commit = file.commit_info or _CommitInfo()
    return Summary(
        path=path,
        time=file.time if file.time.tzinfo else file.time.replace(tzinfo=UTC),
        commit=commit.id,
        dirty=bool(commit.dirty),
        machine=_machine(path, file.machine_info),
        # All runs share one copy of a name: histories are thousands of runs of the same cases.
        cases={sys.intern(found.fullname): _case(found) for found in file.benchmarks},
    )


def _case(found: _Benchmark) -> Case:
    record = found.extra_info.hpml if found.extra_info else None
    if record is None:
        return Case((found.stats.median,), _NO_COUNTERS)
    medians = tuple(median(rounds) for rounds in record.processes if rounds)
    return Case(medians or (found.stats.median,), record.counters or _NO_COUNTERS)


def _machine(path: Path, info: _MachineInfo) -> str:
    if info.hpml:
        return info.hpml.id
    brand = (info.cpu.brand_raw or info.cpu.brand) if info.cpu else ""
    processor = re.sub(r"[^a-z0-9]+", "-", brand.lower()).strip("-")
    folder = path.absolute().parent.name
    return f"{folder}/{processor}" if processor else folder
