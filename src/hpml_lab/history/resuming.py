"""Which unfinished run another one goes on with, and what keeps it from that."""

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hpml_lab.errors import InputError, JournalError
from hpml_lab.history.journal import Journal, journals
from hpml_lab.history.journal_lines import Header
from hpml_lab.history.recovery import published

_NAMES = 3  # of tests, in a message


def unfinished(folder: Path, now: Header) -> Journal:
    """Returns the journal of the newest run that died, among those that are the same as this one.

    Args:
        folder: the machine's.
        now: this run, as if it began.

    Raises:
        InputError: if there is none; says of the newest one what keeps this run from it.
    """
    refusals = []
    for path in journals(folder):
        try:
            journal = Journal.reopen(path)
        except (InputError, JournalError) as error:
            refusals.append(str(error))
            continue
        if not journal.contents.missing and published(path):
            journal.remove()  # its run ended between publishing and this
            continue
        if not (found := differences(journal.contents.header, now)):
            return journal
        journal.close()
        refusals.append(
            f"the unfinished run {str(path)!r} is another one: {'; '.join(found)}; run what was "
            f"recorded, or save what it has with: hpml-lab recover {shlex.quote(str(path))}"
        )
    if refusals:
        raise InputError(refusals[0])
    raise InputError(
        f"no unfinished run under {str(folder)!r}{_elsewhere(folder)}; leave out --hpml-resume"
    )


def _elsewhere(folder: Path) -> str:
    """Returns in words which other machines have unfinished runs, such as hosts of one GPU."""
    machines = [path for path in folder.parent.glob("*/") if path != folder and journals(path)]
    names = ", ".join(sorted(path.name for path in machines))
    return f" of this machine, and some of others: {names}" if machines else ""


def differences(recorded: Header, now: Header) -> list[str]:
    """Returns in words all that keeps one run from being a part of another; empty for nothing."""
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
    if gone := recorded.keys() - now.keys():
        yield f"recorded tests that are not selected: {_named(gone)}"
    if new := now.keys() - recorded.keys():
        yield f"selected tests that were not recorded: {_named(new)}"
    if moved := [each for each in recorded.keys() & now.keys() if recorded[each] != now[each]]:
        yield f"tests in another number of processes: {_named(moved)}"


def _named(nodeids: Iterable[str]) -> str:
    names = sorted(nodeids)
    rest = len(names) - _NAMES
    return ", ".join(map(repr, names[:_NAMES])) + (f" and {rest} more" if rest > 0 else "")
