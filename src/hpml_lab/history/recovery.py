"""A saved run from the journal of one that died."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from hpml_lab.errors import InputError, JournalError
from hpml_lab.history.journal import Journal, is_held, journals
from hpml_lab.history.journal_lines import Contents
from hpml_lab.history.merging import assembled
from hpml_lab.history.run import Replication, Run
from hpml_lab.history.statistics import summary
from hpml_lab.history.store import machines, publish, runs, strict_json


def newest_dead(storage: Path) -> Path:
    """Returns the newest journal that no living process writes.

    Raises:
        InputError: if there is none.
    """
    waiting = [path for folder in machines(storage) for path in journals(folder)]
    for path in sorted(waiting, key=lambda path: path.name, reverse=True):
        if not is_held(path):
            return path
    raise InputError(
        f"no journal of a dead run under {str(storage)!r}; name one, or its storage with --storage"
    )


def recover(path: Path) -> Path:
    """Publishes what a dead run has measured, next to its journal, and removes that.

    Args:
        path: the journal.

    Returns:
        the saved run; ``hpml.missing`` in it says what the run did not get to.

    Raises:
        InputError: if there is no such journal; if its run is alive, published or without results.
        JournalError: if it is damaged.
        OSError: if the run cannot be written; the journal is kept.
    """
    journal = Journal.reopen(path)
    try:
        if (saved := published(path)) is not None:
            raise InputError(
                f"journal {str(path)!r} is saved already as {str(saved)!r}; go on with it by "
                "--hpml-resume, or remove it"
            )
        header = journal.contents.header
        file = publish(run_of(path, journal.contents), path.parent, header.name or "recovered")
    except BaseException:
        journal.close()
        raise
    journal.remove()
    return file


def run_of(path: Path, contents: Contents) -> dict[str, Any]:
    """Returns the run in a journal as a normal end would have saved it, incomplete as it is.

    Raises:
        InputError: if nothing in it was measured.
        JournalError: if something in it cannot be of a run.
    """
    header = contents.header
    ended = contents.endings
    in_order = {nodeid: ended[nodeid] for nodeid in header.selection if nodeid in ended}
    try:
        records, unmeasured = assembled(in_order, header.processes)
        benchmarks = [_with_statistics(record) for record in records]
        record = Replication(
            header.processes, header.seed, unmeasured, contents.missing, contents.resumed, path.name
        )
        run = header.run | {
            "benchmarks": benchmarks, "datetime": header.when, "hpml": asdict(record)
        }  # fmt: skip
        msgspec.json.decode(strict_json(run), type=Run)
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise JournalError(
            f"journal {str(path)!r} holds what is no benchmark: {error}", path
        ) from error
    if not benchmarks:
        raise InputError(f"journal {str(path)!r} has nothing measured to save; remove it")
    return run


def published(path: Path) -> Path | None:
    """Returns the run that was saved from a journal since it was last written to, if any was."""
    since = path.stat().st_mtime_ns
    for run in reversed(runs(path.parent)):
        if run.stat().st_mtime_ns >= since and path.name.encode() in run.read_bytes():
            return run
    return None


def _with_statistics(record: dict[str, Any]) -> dict[str, Any]:
    stats = record["stats"]
    return record | {"stats": summary(stats["data"]) | {"iterations": stats["iterations"]}}
