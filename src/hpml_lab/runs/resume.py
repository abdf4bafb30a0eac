"""Resuming: the unfinished run that a new one can resume, and the differences that prevent it."""

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hpml_lab.errors import InputError, JournalError
from hpml_lab.runs.journal import Header, Journal, journals
from hpml_lab.runs.recovery import published

_NAMES = 3  # of tests, in a message


def find_resumable(folder: Path, now: Header) -> Journal:
    """Journal of the newest dead run that is the same as this one.

    Args:
        folder: folder of the machine.
        now: header of this run, as if it began.

    Raises:
        InputError: if there is none; names the differences from the newest dead run.
    """
    refusals = []
    for path in journals(folder):
        try:
            journal = Journal.reopen(path)
        except (InputError, JournalError) as error:
            refusals.append(str(error))
            continue
        if not journal.contents.missing and published(path):
            journal.remove()  # its run died after it was saved and before its journal was removed
            continue
        if not (mismatches := differences(journal.contents.header, now)):
            return journal
        journal.close()
        refusals.append(
            f"the unfinished run {str(path)!r} is another one: {'; '.join(mismatches)}; run "
            f"what was recorded, or save what it has with: "
            f"hpml-lab recover {shlex.quote(str(path))}"
        )
    if refusals:
        raise InputError(refusals[0])
    raise InputError(
        f"no unfinished run under {str(folder)!r}{_elsewhere(folder)}; leave out --hpml-resume"
    )


def _elsewhere(folder: Path) -> str:
    """Other machines that have unfinished runs, such as hosts of one GPU, in words."""
    machines = [path for path in folder.parent.glob("*/") if path != folder and journals(path)]
    names = ", ".join(sorted(path.name for path in machines))
    return f" of this machine, and some of others: {names}" if machines else ""


def differences(recorded: Header, now: Header) -> list[str]:
    """Differences that prevent one run from resuming another, in words; empty without any."""
    return [*_values(recorded, now), *_tests(recorded.selection, now.selection)]


def _values(recorded: Header, now: Header) -> Iterator[str]:
    old, new = _compared(recorded), _compared(now)
    for what in {**old, **new}:
        if old.get(what) != new.get(what):
            yield f"{what}: recorded {old.get(what)!r}, now {new.get(what)!r}"


def _compared(header: Header) -> dict[str, Any]:
    return {
        "machine": header.machine,
        "commit": header.code.commit,
        "uncommitted changes": header.code.dirty,
        "digest of changes and tests": header.code.digest[:12],
        **header.software,
        "processes": header.processes,
        "seed": header.seed,
        **header.settings,
    }


def _tests(recorded: dict[str, int], now: dict[str, int]) -> Iterator[str]:
    if absent := recorded.keys() - now.keys():
        yield f"recorded tests that are not selected: {_named(absent)}"
    if new := now.keys() - recorded.keys():
        yield f"selected tests that were not recorded: {_named(new)}"
    if changed := [name for name in recorded.keys() & now.keys() if recorded[name] != now[name]]:
        yield f"tests in another number of processes: {_named(changed)}"


def _named(nodeids: Iterable[str]) -> str:
    names = sorted(nodeids)
    rest = len(names) - _NAMES
    return ", ".join(map(repr, names[:_NAMES])) + (f" and {rest} more" if rest > 0 else "")
