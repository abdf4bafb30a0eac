"""Reading from storage: what it adds, and that a read which was not cold is not taken for one."""

import pytest

from hpml_lab.labs.stalls import measured as cold
from hpml_lab.labs.stalls.measured import evict_file, fetch_s, storage_read_bytes


class Storage:
    """A file of 1,000 bytes: 3 s to read from storage, 1 s from the page cache."""

    def __init__(self, clock, path, fetched=1000):
        path.write_bytes(bytes(1000))
        self.path = path
        self.cached = False
        self.bytes = 50_000
        self._clock = clock
        self._fetched = fetched

    def read(self):
        self._clock.advance(1.0 if self.cached else 3.0)
        self.bytes += 0 if self.cached else self._fetched
        self.cached = True

    def evict(self, path):
        assert path == self.path
        self.cached = False


@pytest.fixture
def fetch(clock, monkeypatch):
    """Measures a storage's fetch stall."""

    def call(storage, evict=None):
        monkeypatch.setattr(cold, "evict_file", evict or storage.evict)
        monkeypatch.setattr(cold, "storage_read_bytes", lambda: storage.bytes)
        return fetch_s(storage.read, [storage.path], clock)

    return call


def test_the_fetch_stall_is_cold_less_warm(fetch, clock, tmp_path):
    """3 s cold less 1 s warm; the first read, which may be either, does not count."""
    assert fetch(Storage(clock, tmp_path / "a")) == 2.0


def test_a_file_that_stays_in_memory_has_no_fetch_stall(fetch, clock, tmp_path):
    """A page cache that forgets nothing, as on tmpfs: unknown, and not 0."""
    assert fetch(Storage(clock, tmp_path / "a"), evict=lambda _path: None) is None


@pytest.mark.parametrize(("fetched", "expected"), [(900, 2.0), (899, None)])
def test_nine_tenths_must_come_from_storage(fetch, clock, tmp_path, fetched, expected):
    """What another cache handed over was not cold."""
    assert fetch(Storage(clock, tmp_path / "a", fetched)) == expected


def test_a_system_that_does_not_count_gives_no_answer(fetch, clock, tmp_path, monkeypatch):
    """Without /proc/self/io nobody can tell a cold read from a warm one."""
    storage = Storage(clock, tmp_path / "a")
    storage.bytes = None
    monkeypatch.setattr(storage, "read", lambda: clock.advance(1.0))
    assert fetch(storage) is None


def test_linux_says_what_was_read_from_storage(tmp_path):
    """The line read_bytes alone; rchar counts what came from memory too."""
    record = tmp_path / "io"
    record.write_text("rchar: 9\nread_bytes: 4096\ncancelled_write_bytes: 7\n")
    assert storage_read_bytes(record) == 4096
    record.write_text("rchar: 9\n")
    assert storage_read_bytes(record) is None
    assert storage_read_bytes(tmp_path / "none") is None


def test_evicting_keeps_the_file_whole(tmp_path):
    """Bytes just written are on storage before their pages are dropped."""
    path = tmp_path / "a"
    path.write_bytes(b"pixels" * 1000)
    evict_file(path)
    assert path.read_bytes() == b"pixels" * 1000
