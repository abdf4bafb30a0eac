"""Runs on disk: published whole, numbered, and found again."""

import errno
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hpml_lab.errors import InputError
from hpml_lab.runs import store
from hpml_lab.runs.reading import read_run
from hpml_lab.runs.store import (
    latest,
    latest_in,
    number_of,
    overwrite_run,
    runs,
    save_run,
    saved_runs,
)
from support.runs import STOCK


def test_numbers_go_up_and_nothing_is_overwritten(tmp_path):
    """A new run has the next number behind the largest, also beyond four digits."""
    names = [save_run(STOCK, tmp_path, "a").name for _ in range(2)]
    (tmp_path / "10041_b.json").write_text("{}")
    names.append(save_run(STOCK, tmp_path, "c").name)
    assert names == ["0001_a.json", "0002_a.json", "10042_c.json"]


def test_ten_thousand_is_more_than_9999(tmp_path):
    """Numbers are compared as numbers: in the order of runs, as the latest, and as the next."""
    for number in (9999, 10000, 10001, 9, 100000):
        (tmp_path / f"{number:04d}_x.json").touch()
    assert [path.name.partition("_")[0] for path in runs(tmp_path)] == [
        "0009", "9999", "10000", "10001", "100000"
    ]  # fmt: skip
    assert latest_in(tmp_path).name == "100000_x.json"
    assert save_run(STOCK, tmp_path, "y").name == "100001_y.json"


def test_the_latest_run_is_found_without_reading_any(tmp_path, monkeypatch):
    """Among two thousand files of which none can be opened, the names are enough."""
    folder = tmp_path / "m"
    folder.mkdir()
    for number in range(1, 2001):
        (folder / f"{number:04d}_x.json").touch()

    def closed(*_arguments, **_named):
        raise AssertionError("a run was opened")

    monkeypatch.setattr("builtins.open", closed)
    monkeypatch.setattr("pathlib.Path.open", closed)
    assert latest(tmp_path) == folder / "2000_x.json"


def save_at_once(folder, names):
    """Saves a run under each of these names, in threads that start together."""
    threads = [threading.Thread(target=save_run, args=(STOCK, folder, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_number_is_used_once_whatever_the_name(tmp_path):
    """Savers of different names at once get different numbers."""
    save_at_once(tmp_path, [f"x{n}" for n in range(16)])
    numbers = sorted(int(name.partition("_")[0]) for name in os.listdir(tmp_path))
    assert numbers == list(range(1, 17))


def test_a_number_that_another_saver_takes_is_left_to_it(tmp_path):
    """Also if that saver was killed: its number is skipped, and nothing waits for it."""
    (tmp_path / ".claim-1").touch()
    assert save_run(STOCK, tmp_path, "x").name == "0002_x.json"
    (tmp_path / ".claim-3").touch()
    (tmp_path / ".claim-4").touch()
    assert save_run(STOCK, tmp_path, "x").name == "0005_x.json"


def test_a_folder_of_folders_is_made(tmp_path):
    """As a storage is on its first day; the next run finds it."""
    for number in (1, 2):
        path = save_run(STOCK, tmp_path / "storage" / "machine", "x")
        assert path == tmp_path / "storage" / "machine" / f"000{number}_x.json"


def test_a_file_can_be_read_by_people(tmp_path):
    """A line for each value, indented by one; what JSON does not know is its text."""
    path = save_run({"folder": Path("a"), "b": [1.0]}, tmp_path, "x")
    assert path.read_text() == '{\n "folder": "a",\n "b": [\n  1.0\n ]\n}'
    path = save_run({"folder": Path("a"), "b": math.nan}, tmp_path, "x")
    assert path.read_text() == '{\n "folder": "a",\n "b": null\n}'
    overwrite_run({"b": "\ud800"}, path)
    assert path.read_text() == '{\n "b": "\\\\ud800"\n}'


def test_a_file_that_is_not_named_like_a_run_has_no_number(tmp_path):
    """And a folder without runs has no latest one."""
    names = ["0012_x.json", "notes.json", "x_0012.json"]
    assert [number_of(Path(name)) for name in names] == [12, 0, 0]
    (tmp_path / "notes.json").touch()
    assert latest_in(tmp_path) is None


def test_a_name_taken_meanwhile_is_not_overwritten(tmp_path, monkeypatch):
    """A saver that claims nothing, such as pytest-benchmark itself, loses nothing either."""
    real = os.link

    def late(source, target):
        if not (tmp_path / "0001_x.json").exists():
            (tmp_path / "0001_x.json").write_text("theirs")
        real(source, target)

    monkeypatch.setattr(store.os, "link", late)
    assert save_run(STOCK, tmp_path, "x").name == "0002_x.json"
    assert (tmp_path / "0001_x.json").read_text() == "theirs"


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_links_keeps_runs_too(tmp_path, monkeypatch, code):
    """A rename takes the place of the link; sixteen savers at once lose nothing."""

    def refuse(_source, _target):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(store.os, "link", refuse)
    save_at_once(tmp_path, ["x"] * 16)
    assert sorted(os.listdir(tmp_path)) == [f"{number:04d}_x.json" for number in range(1, 17)]
    assert all(read_run(path).version == "5.1.0" for path in runs(tmp_path))


def test_without_links_a_name_taken_meanwhile_is_not_overwritten(tmp_path, monkeypatch):
    """It is looked for behind the claim."""

    def refuse(_source, _target):
        if not (tmp_path / "0001_x.json").exists():
            (tmp_path / "0001_x.json").write_text("theirs")
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(store.os, "link", refuse)
    assert save_run(STOCK, tmp_path, "x").name == "0002_x.json"
    assert (tmp_path / "0001_x.json").read_text() == "theirs"


def test_other_faults_of_a_link_are_no_reason_to_rename(tmp_path, monkeypatch):
    """A disk that fails is an error, and nothing is left behind."""

    def fail(_source, _target):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(store.os, "link", fail)
    with pytest.raises(OSError, match="Input/output error"):
        save_run(STOCK, tmp_path, "x")
    assert os.listdir(tmp_path) == []


def test_a_published_run_outlasts_a_loss_of_power(tmp_path, monkeypatch):
    """The file is synced before it has its name, the folder behind that; a new one's parent too."""
    folder = tmp_path / "m"
    synced = []

    def fsync(descriptor):
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
        synced.append((os.path.relpath(path, tmp_path).split("-")[0], names))

    monkeypatch.setattr(store.os, "fsync", fsync)
    save_run(STOCK, folder, "x")
    assert synced == [(".", []), ("m/.saving", []), ("m", ["0001_x.json"])]


def test_a_folder_that_cannot_be_synced_keeps_its_run(tmp_path, monkeypatch):
    """Some network file systems refuse to; any other error is one."""
    real = os.fsync
    codes = iter([None, errno.EINVAL, None, errno.EIO])

    def fsync(descriptor):
        if code := next(codes):
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(store.os, "fsync", fsync)
    assert save_run(STOCK, tmp_path, "x").is_file()
    with pytest.raises(OSError, match="Input/output error"):
        save_run(STOCK, tmp_path, "x")


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a\0"])
def test_a_name_cannot_lead_elsewhere(tmp_path, name):
    """Runs stay in their machine's folder."""
    with pytest.raises(InputError, match="a run cannot be saved as"):
        save_run(STOCK, tmp_path / "m", name)
    assert os.listdir(tmp_path) == []


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    """What was there before stays until the new one is on the disk."""
    path = tmp_path / "run.json"
    path.write_text("before")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        overwrite_run(STOCK, path)
    assert (path.read_text(), os.listdir(tmp_path)) == ("before", ["run.json"])
    monkeypatch.undo()
    overwrite_run(STOCK, path)
    assert read_run(path).version == "5.1.0"


SAVER = """
import sys
from pathlib import Path
from hpml_lab.runs.store import save_run

sys.stdin.read()  # until all are there
save_run({"saver": sys.argv[2]}, Path(sys.argv[1]), "x")
"""


@pytest.mark.slow
def test_120_processes_that_save_at_once_lose_nothing(tmp_path):
    """120 interpreters, let go together: 120 files, numbered 1 to 120, each of another saver."""
    gate, opened = os.pipe()
    command = [sys.executable, "-c", SAVER, str(tmp_path)]
    savers = [
        subprocess.Popen([*command, str(number)], stdin=gate, close_fds=True)
        for number in range(120)
    ]
    os.close(gate)
    os.close(opened)
    assert [saver.wait() for saver in savers] == [0] * 120
    assert [path.name for path in runs(tmp_path)] == [f"{n:04d}_x.json" for n in range(1, 121)]
    assert len(os.listdir(tmp_path)) == 120
    result = {json.loads(path.read_text())["saver"] for path in runs(tmp_path)}
    assert result == {str(number) for number in range(120)}


def test_many_savers_at_once_lose_nothing(tmp_path):
    """Sixteen threads that save at once end with sixteen files and no leftovers."""
    save_at_once(tmp_path, ["x"] * 16)
    assert sorted(os.listdir(tmp_path)) == [f"{number:04d}_x.json" for number in range(1, 17)]


def test_nan_is_saved_as_null(tmp_path):
    """A number that JSON cannot hold, such as a test's parameter, does not lose the run."""
    path = save_run({"a": [float("nan"), (float("inf"), 1.5)]}, tmp_path, "x")
    assert json.loads(path.read_text()) == {"a": [None, [None, 1.5]]}


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    """A full disk is an error without a partial file."""

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_run(STOCK, tmp_path, "x")
    assert os.listdir(tmp_path) == []


def test_the_latest_run_is_that_of_any_machine(tmp_path):
    """Of two machines' runs the one saved last is the latest; other files do not count."""
    old = save_run(STOCK, tmp_path / "machine-b", "old")
    new = save_run(STOCK, tmp_path / "machine-a", "new")
    os.utime(old, ns=(1, 1))
    (tmp_path / "machine-a" / "notes.json").write_text("{}")
    assert saved_runs(tmp_path) == [new, old]
    assert latest(tmp_path) == new
    os.utime(new, ns=(0, 0))
    assert latest(tmp_path) == old


def test_no_run_is_an_error_that_says_how_to_make_one(tmp_path):
    """An empty storage is bad input."""
    with pytest.raises(
        InputError,
        match=rf"no saved run under '{tmp_path}'; make one with: pytest --benchmark-save=NAME",
    ):
        latest(tmp_path)
