"""The list of a storage: every run and every journal, whether or not it can be read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from hpml_lab.errors import InputError, RunFileError
from hpml_lab.runs.journal import is_held, journals, read_journal
from hpml_lab.runs.partial import Head
from hpml_lab.runs.reading import LARGEST_FILE_BYTES, read_run
from hpml_lab.runs.schema import Run
from hpml_lab.runs.store import machines, number_of, runs


@dataclass(frozen=True)
class RunInfo:
    """A saved run.

    Attributes:
        machine: Name of its folder.
        number: Number of its file.
        name: Name after the number.
        file: Path of its file.
        when: Date as the file has it; empty if it cannot be read, like all below.
        commit: Revision, with a ``+`` if there were changes since.
        cases: Number of benchmarks.
        processes: Number of processes; 1 in a stock file.
        missing: Number of times that a test is missing in a process; None if the run is complete.
        failed: Number of cases that failed in one or more processes.
        problem: Reason why it cannot be read; empty if it can.
    """

    machine: str
    number: int
    name: str
    file: str
    when: str = ""
    commit: str = ""
    cases: int = 0
    processes: int = 0
    missing: int | None = None
    failed: int = 0
    problem: str = ""


@dataclass(frozen=True)
class JournalInfo:
    """A journal: a run that is under way, or that died.

    Attributes:
        machine: Name of its folder.
        file: Path of its file.
        alive: Whether a process writes it.
        name: Name under which the run is to be saved.
        when: Start of the run.
        ended: Number of ended tests, summed over processes.
        due: Number of planned tests, summed over processes.
        problem: Reason why it cannot be read; empty if it can.
    """

    machine: str
    file: str
    alive: bool = False
    name: str = ""
    when: str = ""
    ended: int = 0
    due: int = 0
    problem: str = ""


_DECODER = msgspec.json.Decoder(Head)


def listing(storage: Path) -> tuple[list[RunInfo], list[JournalInfo]]:
    """Runs and journals of a storage, machine by machine.

    Raises:
        InputError: if there is no such folder.
    """
    if not storage.is_dir():
        raise InputError(f"no storage at {str(storage)!r}; name one with --storage")
    folders = machines(storage)
    saved = [_run_info(path) for folder in folders for path in runs(folder)]
    return saved, [_journal_info(path) for folder in folders for path in journals(folder)]


def _run_info(path: Path) -> RunInfo:
    number, name = number_of(path), path.stem.partition("_")[2]
    known: dict[str, Any] = {
        "machine": path.parent.name, "number": number, "name": name, "file": str(path)
    }  # fmt: skip
    try:
        head, run = _head(path), read_run(path)
    except RunFileError as error:
        return RunInfo(**known, problem=str(error).partition(": ")[2] or str(error))
    except OSError as error:
        return RunInfo(**known, problem=f"cannot be read: {error.strerror}")
    except (ValueError, RecursionError) as error:
        return RunInfo(**known, problem=f"is not a saved run: {error}")
    missing = sum(map(len, head.hpml.missing.values()))
    return RunInfo(
        **known,
        when=head.datetime,
        commit=(head.commit_info.id or "") + "+" * bool(head.commit_info.dirty),
        cases=len(head.benchmarks),
        processes=head.hpml.processes,
        missing=missing or None,
        failed=_failed(run),
    )


def _failed(run: Run) -> int:
    """Number of cases that failed in one or more processes."""
    measurements = (benchmark.measurement for benchmark in run.benchmarks)
    partly = sum(bool(case and case.failures) for case in measurements)
    return partly + (len(run.hpml.unmeasured) if run.hpml else 0)


def _head(path: Path) -> Head:
    if not path.is_file():
        raise ValueError("it is no file")
    if (size := path.stat().st_size) > LARGEST_FILE_BYTES:
        raise ValueError(f"it has {size:,} bytes; at most {LARGEST_FILE_BYTES:,} are read")
    return _DECODER.decode(path.read_bytes())


def _journal_info(path: Path) -> JournalInfo:
    machine, file = path.parent.name, str(path)
    try:
        alive, contents = is_held(path), read_journal(path)
    except OSError as error:
        return JournalInfo(machine, file, problem=f"cannot be read: {error.strerror}")
    except RunFileError as error:
        return JournalInfo(machine, file, problem=str(error))
    header = contents.header
    due = sum(header.selection.values())
    remaining = sum(map(len, contents.missing.values()))
    return JournalInfo(machine, file, alive, header.name, header.when, due - remaining, due)
