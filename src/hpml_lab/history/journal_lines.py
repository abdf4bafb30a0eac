"""What a journal says: a run's header, then what each process left of each test.

JSON lines, each synced before anything else happens, so that only the last one can be torn. The
first is a `Header`; any other tells how a process ended a test, or when the run was gone on with.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from hpml_lab.errors import JournalError
from hpml_lab.history.code import Code
from hpml_lab.history.ending import Ending

VERSION = 1
LARGEST_BYTES = 2**30
Endings = dict[str, list[Ending]]


@dataclass(frozen=True)
class Header:
    """What a run is: all that must be the same for another to go on with it, and what it saves.

    Attributes:
        when: it began, in UTC, as ISO 8601 has it.
        process: id of the process that measures, for people.
        host: its machine's name, for people.
        code: what is measured.
        machine: the machine's id.
        software: versions that a result depends on.
        settings: whatever else changes a result, by name.
        processes: how many fresh interpreters.
        seed: of the order of the cases.
        selection: for each selected test, by node id, in how many processes it is due.
        name: to save the run under; empty for one that is only written to a file.
        run: ``machine_info``, ``commit_info`` and ``version`` of the saved run.
        version: of this format.
    """

    when: str
    process: int
    host: str
    code: Code
    machine: str
    software: dict[str, str | None]
    settings: dict[str, Any]
    processes: int
    seed: int
    selection: dict[str, int]
    name: str
    run: dict[str, Any]
    version: int = VERSION


@dataclass(frozen=True)
class Contents:
    """What a journal holds.

    Attributes:
        header: of the run.
        endings: of each test, by node id; a process ends a test once.
        resumed: when the run was gone on with.
        size_bytes: of all that counts; what follows is torn, or tells of the end of the run itself.
    """

    header: Header
    endings: Endings = field(default_factory=dict)
    resumed: list[str] = field(default_factory=list)
    size_bytes: int = 0

    @property
    def missing(self) -> dict[str, list[int]]:
        """The processes in which a test is still due, by node id."""
        return missing(self.header.selection, self.endings)


class _Version(msgspec.Struct):
    version: int


class _Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    nodeid: str = ""
    ending: Ending | None = None
    resumed: str = ""


def read_journal(path: Path) -> Contents:
    """Returns what a journal holds, whether or not its run is alive.

    What is torn at its end does not count. Neither do interpreters at its end that were killed:
    whoever killed the run killed them as well, so their cases are missing, not failed.

    Raises:
        JournalError: if it cannot be read, or is damaged before its last line.
    """
    try:
        if (size := path.stat().st_size) > LARGEST_BYTES or not path.is_file():
            raise JournalError(
                f"journal {str(path)!r} is no file of at most {LARGEST_BYTES:,} bytes; "
                f"it has {size:,}",
                path,
            )
        *lines, _torn = path.read_bytes().split(b"\n")
    except OSError as error:
        raise JournalError(
            f"journal {str(path)!r} cannot be read: {error.strerror}", path
        ) from error
    return _contents(path, lines)


def missing(selection: Mapping[str, int], endings: Endings) -> dict[str, list[int]]:
    """Returns the processes in which a test is due and has not ended, by node id.

    Args:
        selection: in how many processes each test is due.
        endings: what has ended.
    """
    left = {
        nodeid: sorted(set(range(1, due + 1)) - {each.process for each in endings.get(nodeid, [])})
        for nodeid, due in selection.items()
    }
    return {nodeid: processes for nodeid, processes in left.items() if processes}


def _contents(path: Path, lines: list[bytes]) -> Contents:
    header = _header(path, lines)
    size, read = len(lines[0]) + 1, []
    for number, text in enumerate(lines[1:], 2):
        try:
            line = msgspec.convert(_parsed(text), _Line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                break  # its newline was on the disk before the rest of it
            _damaged(path, f"line {number} is damaged: {error}")
        size += len(text) + 1
        read.append((line, size))
    while read and (last := read[-1][0].ending) is not None and last.killed:
        read.pop()
    endings: Endings = {}
    for line, _ in read:
        if line.ending is not None:
            endings.setdefault(line.nodeid, []).append(line.ending)
    resumed = [line.resumed for line, _ in read if line.resumed]
    size = read[-1][1] if read else len(lines[0]) + 1
    return Contents(header, endings, resumed, size)


def _header(path: Path, lines: list[bytes]) -> Header:
    if not lines:
        _damaged(path, "it has no whole line; its run ended before the first case did")
    try:
        parsed = _parsed(lines[0])
        version = msgspec.convert(parsed, _Version).version
        header = msgspec.convert(parsed, Header) if version == VERSION else None
    except (ValueError, RecursionError) as error:
        _damaged(path, f"line 1 is no header: {error}", error)
    if header is None:
        _damaged(path, f"it has format {version}; this hpml_lab reads {VERSION}")
    return header


def _parsed(text: bytes) -> Any:
    # Not msgspec: it takes no lone surrogates, which captured output and file names can have.
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _damaged(path: Path, why: str, cause: Exception | None = None) -> NoReturn:
    raise JournalError(f"journal {str(path)!r} cannot be used: {why}", path) from cause
