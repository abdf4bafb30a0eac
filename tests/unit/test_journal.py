"""The journal: what has ended is in it whole, whatever ends the run."""

import errno
import os

import pytest

from hpml_lab.errors import InputError, JournalError
from hpml_lab.runs import journal
from hpml_lab.runs import journal as journal_module
from hpml_lab.runs.journal import Journal, is_held, journals, missing, read_journal
from hpml_lab.runs.merge import ProcessResult
from support.journals import crashed, header, journal_of, lines_of, measured

THREE = [("t.py::a", measured(1)), ("t.py::b", crashed(1)), ("t.py::a", measured(2))]


def test_what_was_written_is_read(tmp_path):
    """Header and endings come back equal, by test in the order in which they ended."""
    path = journal_of(tmp_path / "m", THREE)
    contents = read_journal(path)
    assert path.name.startswith(".journal-20260102T030405")
    assert contents.header == header()
    assert contents.endings == {"t.py::a": [measured(1), measured(2)], "t.py::b": [crashed(1)]}
    assert contents.size_bytes == path.stat().st_size


def test_what_json_cannot_hold_loses_no_line(tmp_path):
    """Not a number becomes null; half a character, as captured output can have, is spelled out."""
    reports = [{"outcome": "passed", "longrepr": "\udc80", "sections": [float("nan")]}]
    contents = read_journal(journal_of(tmp_path, [("t.py::a", ProcessResult(1, None, reports))]))
    (kept,) = contents.endings["t.py::a"]
    assert kept.reports == [{"outcome": "passed", "longrepr": "\\udc80", "sections": [None]}]


def test_a_torn_last_line_is_ignored(tmp_path):
    """Cut behind any byte, a journal holds the endings whose lines are whole, and no other."""
    whole = journal_of(tmp_path, THREE).read_bytes()
    ends = [end + 1 for end, byte in enumerate(whole) if byte == ord("\n")]
    path = tmp_path / "torn"
    for size in range(ends[0], len(whole)):
        path.write_bytes(whole[:size])
        contents = read_journal(path)
        lines = sum(end <= size for end in ends)
        assert sum(map(len, contents.endings.values())) == lines - 1
        assert contents.size_bytes == ends[lines - 1]


def test_a_last_line_that_is_damaged_is_torn_too(tmp_path):
    """A disk may keep a line's newline and lose any block before it."""
    path = journal_of(tmp_path, THREE)
    *before, last, _ = path.read_bytes().split(b"\n")
    for start in range(len(last)):
        zeros = last[:start] + b"\0" * (len(last) - start)
        path.write_bytes(b"\n".join([*before, zeros, b""]))
        assert read_journal(path).endings == {"t.py::a": [measured(1)], "t.py::b": [crashed(1)]}


@pytest.mark.parametrize("line", [1, 2, 3])
@pytest.mark.parametrize("damage", [b"\0", b"[" * 100_000, b"{}x", b'{"nodeid": 3}', b"NaN"])
def test_damage_elsewhere_is_an_error_that_names_the_line(tmp_path, line, damage):
    """What cannot be told from a lost result is never passed over."""
    path = journal_of(tmp_path, THREE)
    lines = path.read_bytes().split(b"\n")
    lines[line - 1] = damage
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(JournalError, match=rf"journal '.*' cannot be used: line {line} is ") as got:
        read_journal(path)
    assert "\n" not in str(got.value)


def test_other_formats_are_refused(tmp_path):
    """A journal of a later hpml_lab is one error."""
    path = journal_of(tmp_path, [])
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(JournalError, match="it has format 2; this hpml_lab reads 1"):
        read_journal(path)


def test_journals_that_are_no_files_are_refused(tmp_path, monkeypatch):
    """Nothing waits for a pipe, and nothing huge is read."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(JournalError, match="is no file of at most"):
        read_journal(tmp_path / "pipe")
    monkeypatch.setattr(journal, "LARGEST_BYTES", 10)
    with pytest.raises(JournalError, match="is no file of at most 10 bytes; it has"):
        read_journal(journal_of(tmp_path, []))
    with pytest.raises(JournalError, match="cannot be read: No such file"):
        read_journal(tmp_path / "nothing")


def test_an_ending_is_on_the_disk_before_the_next_case(tmp_path, monkeypatch):
    """Whenever a line is written, a sync of all of it follows before the call returns."""
    synced = []
    real = os.fsync

    def fsync(descriptor):
        synced.append(os.fstat(descriptor).st_size)
        real(descriptor)

    monkeypatch.setattr(journal_module.os, "fsync", fsync)
    journal = Journal.create(tmp_path, header())
    for nodeid, ending in THREE:
        journal.append(nodeid, ending)
        assert synced[-1] == journal.path.stat().st_size
    journal.close()
    assert len(synced) == 5  # the header, the folder with its name, three endings


@pytest.mark.parametrize("fails", ["write", "fsync"])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, fails):
    """Half a line is taken back; the journal reads as before, and is let go of."""
    journal = Journal.create(tmp_path, header())
    journal.append(*THREE[0])
    before = journal.path.read_bytes()
    write = os.write
    room = iter([20])

    def half(descriptor, data):
        if (size := next(room, None)) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:size])

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal_module.os, fails, half if fails == "write" else full)
    with pytest.raises(OSError, match="No space left"):
        journal.append(*THREE[1])
    monkeypatch.undo()
    journal.close()
    assert journal.path.read_bytes() == before


def test_a_disk_that_is_full_from_the_start_has_no_journal(tmp_path, monkeypatch):
    """If not even the header can be written, nothing is left behind."""

    def full(_descriptor, _data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal_module.os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        Journal.create(tmp_path, header())
    assert list(tmp_path.iterdir()) == []


def test_a_living_run_keeps_its_journal(tmp_path):
    """Nobody else can open it until it is closed, and everybody can read it."""
    journal = Journal.create(tmp_path, header())
    journal.append(*THREE[0])
    assert is_held(journal.path)
    assert read_journal(journal.path).endings == {"t.py::a": [measured(1)]}
    with pytest.raises(
        InputError, match=r"the run of journal .* is alive; wait until it has ended"
    ):
        Journal.reopen(journal.path)
    journal.close()
    assert not is_held(journal.path)
    Journal.reopen(journal.path).close()


def test_a_journal_that_went_meanwhile_is_not_written(tmp_path, monkeypatch):
    """Its run has ended between opening and locking it."""
    path = journal_of(tmp_path, THREE)
    lock = journal_module.fcntl.flock

    def late(descriptor, operation):
        os.link(path, tmp_path / "kept")
        path.unlink()
        (tmp_path / "kept").rename(path)  # another file's name would do; it must be the same file
        lock(descriptor, operation)
        path.unlink()

    monkeypatch.setattr(journal_module.fcntl, "flock", late)
    with pytest.raises((InputError, JournalError), match=r"No such file|no longer there"):
        Journal.reopen(path)


def test_going_on_drops_what_is_torn(tmp_path):
    """The next line begins behind the last whole one, and says when it was."""
    path = journal_of(tmp_path, THREE)
    with path.open("a") as file:
        file.write('{"nodeid": "t.py::b", "endi')
    journal = Journal.reopen(path)
    journal.go_on()
    journal.append("t.py::b", measured(2, "b"))
    journal.close()
    contents = read_journal(path)
    assert [one.process for one in contents.endings["t.py::b"]] == [1, 2]
    assert len(contents.resumed) == 1
    assert [*lines_of(path)[4]] == ["resumed"]


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGTERM"])
def test_interpreters_killed_at_the_end_were_killed_with_the_run(tmp_path, signal):
    """Their cases are missing; one that was killed before something else ended has failed."""
    killed = crashed(2, signal)
    early = [("t.py::a", crashed(1, signal)), ("t.py::b", measured(1, "b"))]
    late = [("t.py::a", killed), ("t.py::b", killed)]
    path = journal_of(tmp_path, [*early, *late])
    contents = read_journal(path)
    assert contents.endings == {nodeid: [ending] for nodeid, ending in early}
    assert contents.missing == {"t.py::a": [2], "t.py::b": [2]}
    journal = Journal.reopen(path)
    journal.go_on()
    journal.close()
    assert len(lines_of(path)) == 4


def test_what_is_missing_is_due_and_has_not_ended():
    """By test the processes left; a test that is due in none, or ended in all, is not there."""
    selection = {"a": 3, "b": 1, "c": 0, "d": 2}
    endings = {"a": [measured(2)], "b": [crashed(1)]}
    assert missing(selection, endings) == {"a": [1, 3], "d": [1, 2]}


def test_the_newest_journal_comes_first(tmp_path):
    """By the time in its name; an empty file is none."""
    old = journal_of(tmp_path, [], when="2026-01-02T03:04:05+00:00")
    new = journal_of(tmp_path, [], when="2026-01-02T03:04:05.5+00:00")
    (tmp_path / ".journal-2027.jsonl").touch()
    assert journals(tmp_path) == [new, old]
