"""What is in a storage: every run and every journal, whether or not it can be read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from hpml_lab.errors import InputError, RunFileError
from hpml_lab.history.journal import is_held, journals
from hpml_lab.history.journal_lines import read_journal
from hpml_lab.history.run import LARGEST_FILE_BYTES, Run, read_run
from hpml_lab.history.store import machines, number_of, runs


@dataclass(frozen=True)
class Listed:
    """A saved run.

    Attributes:
        machine: the name of its folder.
        number: of its file.
        name: behind the number.
        file: where it is.
        when: as the file has it; empty if it cannot be read, like all below.
        commit: the revision, with a ``+`` if there were changes since.
        cases: how many benchmarks it has.
        processes: how many fresh interpreters; 1 in a stock file.
        missing: how many times a test is missing in a process; None if the run is complete.
        failed: how many cases failed in a process or in all.
        problem: why it cannot be read; empty if it can.
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
class Waiting:
    """A journal: a run that lasts, or that died.

    Attributes:
        machine: the name of its folder.
        file: where it is.
        alive: whether a process writes it.
        name: what the run is to be saved as.
        when: it began.
        ended: how often a test has ended in a process.
        due: how often it is to.
        problem: why it cannot be read; empty if it can.
    """

    machine: str
    file: str
    alive: bool = False
    name: str = ""
    when: str = ""
    ended: int = 0
    due: int = 0
    problem: str = ""


class _Commit(msgspec.Struct):
    id: str | None = None
    dirty: bool | None = None


class _Anything(msgspec.Struct):
    """An object of which nothing is read."""


class _Ours(msgspec.Struct):
    processes: int = 1
    missing: dict[str, list[int]] = {}


class _Head(msgspec.Struct):
    benchmarks: list[_Anything]
    datetime: str = ""
    commit_info: _Commit = msgspec.field(default_factory=_Commit)
    hpml: _Ours = msgspec.field(default_factory=_Ours)


_DECODER = msgspec.json.Decoder(_Head)


def listing(storage: Path) -> tuple[list[Listed], list[Waiting]]:
    """Returns the runs and the journals of a storage, machine by machine.

    Raises:
        InputError: if there is no such folder.
    """
    if not storage.is_dir():
        raise InputError(f"no storage at {str(storage)!r}; name one with --storage")
    folders = machines(storage)
    saved = [_listed(path) for folder in folders for path in runs(folder)]
    return saved, [_waiting(path) for folder in folders for path in journals(folder)]


def _listed(path: Path) -> Listed:
    number, name = number_of(path), path.stem.partition("_")[2]
    known: dict[str, Any] = {
        "machine": path.parent.name, "number": number, "name": name, "file": str(path)
    }  # fmt: skip
    try:
        head, run = _head(path), read_run(path)
    except RunFileError as error:
        return Listed(**known, problem=str(error).partition(": ")[2] or str(error))
    except OSError as error:
        return Listed(**known, problem=f"cannot be read: {error.strerror}")
    except (ValueError, RecursionError) as error:
        return Listed(**known, problem=f"is not a saved run: {error}")
    missing = sum(map(len, head.hpml.missing.values()))
    return Listed(
        **known,
        when=head.datetime,
        commit=(head.commit_info.id or "") + "+" * bool(head.commit_info.dirty),
        cases=len(head.benchmarks),
        processes=head.hpml.processes,
        missing=missing or None,
        failed=_failed(run),
    )


def _failed(run: Run) -> int:
    """Returns how many cases failed in a process or in all."""
    partly = sum(bool(m and m.failures) for m in (each.measurement for each in run.benchmarks))
    return partly + (len(run.hpml.unmeasured) if run.hpml else 0)


def _head(path: Path) -> _Head:
    if not path.is_file():
        raise ValueError("it is no file")
    if (size := path.stat().st_size) > LARGEST_FILE_BYTES:
        raise ValueError(f"it has {size:,} bytes; at most {LARGEST_FILE_BYTES:,} are read")
    return _DECODER.decode(path.read_bytes())


def _waiting(path: Path) -> Waiting:
    machine, file = path.parent.name, str(path)
    try:
        alive, contents = is_held(path), read_journal(path)
    except OSError as error:
        return Waiting(machine, file, problem=f"cannot be read: {error.strerror}")
    except RunFileError as error:
        return Waiting(machine, file, problem=str(error))
    header = contents.header
    due = sum(header.selection.values())
    left = sum(map(len, contents.missing.values()))
    return Waiting(machine, file, alive, header.name, header.when, due - left, due)
