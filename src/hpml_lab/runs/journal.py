"""The journal of a run: its header, then the result of every test in every process.

JSON lines. A line is synced before anything else happens, so that only the last one can be torn.
The first is a `Header`; any other is the result of a test in a process, or the time at which the
run was resumed.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from hpml_lab.errors import InputError, JournalError
from hpml_lab.runs.merge import ProcessResult
from hpml_lab.runs.revision import Code
from hpml_lab.runs.store import make_folder, strict_json, sync_folder

VERSION = 1
LARGEST_BYTES = 2**30
Endings = dict[str, list[ProcessResult]]


@dataclass(frozen=True)
class Header:
    """Identity of a run: the fields that must be equal to resume it, and those that it saves.

    Attributes:
        when: Start of the run in UTC, in ISO 8601.
        process: Id of the process that measures, for people.
        host: Host name of its machine, for people.
        code: The measured code.
        machine: Id of the machine.
        software: Versions on which a result depends.
        settings: All other settings that change a result, by name.
        processes: Number of processes.
        seed: Seed of the order of the cases.
        selection: Number of planned processes of each selected test, by node id.
        name: Name under which the run is saved; empty if it is only written to a file.
        run: ``machine_info``, ``commit_info`` and ``version`` of the saved run.
        version: Version of this format.
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
    """Content of a journal.

    Attributes:
        header: Header of the run.
        endings: Results of each test, by node id; at most one for each process.
        resumed: Times at which the run was resumed.
        size_bytes: Size of the valid lines; the rest is torn, or records the end of the run itself.
    """

    header: Header
    endings: Endings = field(default_factory=dict)
    resumed: list[str] = field(default_factory=list)
    size_bytes: int = 0

    @property
    def missing(self) -> dict[str, list[int]]:
        """Processes in which a test has no result yet, by node id."""
        return missing(self.header.selection, self.endings)


class _Version(msgspec.Struct):
    version: int


class _Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    nodeid: str = ""
    ending: ProcessResult | None = None
    resumed: str = ""


def read_journal(path: Path) -> Contents:
    """Content of a journal, whether or not its run is alive.

    A torn last line does not count. Neither do killed processes at its end: whoever killed the run
    killed them as well, so their cases are missing, not failed.

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
    """Processes in which a test has no result yet, by node id.

    Args:
        selection: number of planned processes of each test.
        endings: results of each test.
    """
    ended = {nodeid: {result.process for result in results} for nodeid, results in endings.items()}
    remaining = {
        nodeid: sorted(set(range(1, count + 1)) - ended.get(nodeid, set()))
        for nodeid, count in selection.items()
    }
    return {nodeid: processes for nodeid, processes in remaining.items() if processes}


def _contents(path: Path, lines: list[bytes]) -> Contents:
    header = _header(path, lines)
    size, read = len(lines[0]) + 1, []
    for number, text in enumerate(lines[1:], 2):
        try:
            line = msgspec.convert(_parsed(text), _Line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                break  # its newline reached the disk before the rest of it
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


_PREFIX = ".journal-"


class Journal:
    """A journal that this process writes: no other process can open it meanwhile.

    Attributes:
        path: Its file.
        contents: Its content when it was opened.
    """

    def __init__(self, path: Path, descriptor: int, contents: Contents) -> None:
        self.path = path
        self.contents = contents
        self._descriptor = descriptor
        self._size_bytes = contents.size_bytes

    @classmethod
    def create(cls, folder: Path, header: Header) -> "Journal":
        """Begins a journal.

        Raises:
            OSError: if it cannot be written; no file remains.
        """
        make_folder(folder)
        began = datetime.fromisoformat(header.when).strftime("%Y%m%dT%H%M%S%f")
        path = folder / f"{_PREFIX}{began}-{secrets.token_hex(4)}.jsonl"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o644)
        journal = cls(path, descriptor, Contents(header))
        try:
            # Without locks, all that is lost is the distinction of a dead run from a living one.
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            journal._write(asdict(header))
            sync_folder(folder)
        except OSError:
            journal.remove()
            raise
        return journal

    @classmethod
    def reopen(cls, path: Path) -> "Journal":
        """Opens the journal of a dead run.

        Raises:
            InputError: if it does not exist, or its run is alive.
            JournalError: if it is damaged.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NONBLOCK)
        except OSError as error:
            raise InputError(f"journal {str(path)!r} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            contents = read_journal(path)
            if os.fstat(descriptor).st_nlink == 0:  # its run has ended between two lines above
                raise InputError(f"journal {str(path)!r} is no longer there; its run has ended")
        except BlockingIOError as error:
            os.close(descriptor)
            raise InputError(
                f"the run of journal {str(path)!r} is alive; wait until it has ended"
            ) from error
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor, contents)

    def go_on(self) -> None:
        """Prepares for `append`: drops a torn end and records that the run is resumed.

        Raises:
            OSError: if it cannot be written.
        """
        os.ftruncate(self._descriptor, self._size_bytes)
        self._write({"resumed": now()})

    def append(self, nodeid: str, ending: ProcessResult) -> None:
        """Records the result of a test in a process; it then survives a loss of power.

        Raises:
            OSError: if it cannot be written; earlier results stay recorded.
        """
        failure = asdict(ending.failure) if ending.failure else None
        self._write({"nodeid": nodeid, "ending": vars(ending) | {"failure": failure}})

    def remove(self) -> None:
        """Removes the journal, after its run is saved."""
        self.path.unlink(missing_ok=True)
        self.close()
        sync_folder(self.path.parent)

    def close(self) -> None:
        """Closes the journal and releases its lock, so that the run can be recovered or resumed."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _write(self, value: dict[str, Any]) -> None:
        line = strict_json(value).encode() + b"\n"
        try:
            written = 0
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
            os.fsync(self._descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size_bytes)
            raise
        self._size_bytes += len(line)


def now() -> str:
    """Current time in UTC, in ISO 8601."""
    return datetime.now(UTC).isoformat()


def journals(folder: Path) -> list[Path]:
    """Journals in a machine's folder, newest first.

    An empty file, whose run was killed before its first line, does not count.
    """
    paths = (path for path in folder.glob(f"{_PREFIX}*.jsonl") if path.stat().st_size)
    return sorted(paths, key=lambda path: path.name, reverse=True)


def is_held(path: Path) -> bool:
    """Whether a living process writes a journal.

    Raises:
        OSError: if it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
