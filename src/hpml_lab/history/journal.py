"""The journal of a run: what has ended is on the disk before the next case begins.

It lies hidden in the machine's folder, next to the runs, for as long as its run lasts. One that
is still there afterwards, and that no process holds a lock on, belongs to a run that did not end
on its own: `recovery` publishes what it holds, `resuming` goes on with it.
"""

import fcntl
import os
import secrets
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hpml_lab.errors import InputError
from hpml_lab.history.ending import Ending
from hpml_lab.history.journal_lines import Contents, Header, read_journal
from hpml_lab.history.store import make_folder, strict_json, sync_folder

_PREFIX = ".journal-"


class Journal:
    """A journal that this process writes: no other one can open it meanwhile.

    Attributes:
        path: its file.
        contents: what it held when it was opened.
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
            OSError: if it cannot be written; none is left behind.
        """
        make_folder(folder)
        began = datetime.fromisoformat(header.when).strftime("%Y%m%dT%H%M%S%f")
        path = folder / f"{_PREFIX}{began}-{secrets.token_hex(4)}.jsonl"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o644)
        journal = cls(path, descriptor, Contents(header))
        try:
            # A file system without locks cannot tell a dead run from a living one, no more.
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
        """Opens the journal of a run that is dead.

        Raises:
            InputError: if there is none, or its run is alive.
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
        """Prepares for `append`: drops what is torn and records that the run is gone on with.

        Raises:
            OSError: if it cannot be written.
        """
        os.ftruncate(self._descriptor, self._size_bytes)
        self._write({"resumed": now()})

    def append(self, nodeid: str, ending: Ending) -> None:
        """Records what a process left of a test; when it returns, a loss of power cannot take it.

        Raises:
            OSError: if it cannot be written; all that was recorded before still is.
        """
        failure = asdict(ending.failure) if ending.failure else None
        self._write({"nodeid": nodeid, "ending": vars(ending) | {"failure": failure}})

    def remove(self) -> None:
        """Removes it: the run is published."""
        self.path.unlink(missing_ok=True)
        self.close()
        sync_folder(self.path.parent)

    def close(self) -> None:
        """Lets go of it, and leaves it to who recovers it or goes on."""
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
    """Returns the time in UTC, as ISO 8601 has it."""
    return datetime.now(UTC).isoformat()


def journals(folder: Path) -> list[Path]:
    """Returns the journals in a machine's folder, newest first.

    An empty one, whose run was killed on its first line, is none.
    """
    found = (path for path in folder.glob(f"{_PREFIX}*.jsonl") if path.stat().st_size)
    return sorted(found, key=lambda path: path.name, reverse=True)


def is_held(path: Path) -> bool:
    """Returns whether a living process writes a journal.

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
