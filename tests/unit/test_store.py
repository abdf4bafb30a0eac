"""Runs on disk: published whole, read strictly."""

import json
import os
import threading

import pytest

from hpml_lab.errors import InputError, RunFileError
from hpml_lab.history import run as run_module
from hpml_lab.history.run import read_run
from hpml_lab.history.store import latest, publish, saved_runs
from hpml_lab.measure.record import Learning

STOCK = {
    "machine_info": {"node": "somewhere"},
    "commit_info": {},
    "benchmarks": [
        {
            "name": "test_a",
            "fullname": "tests/test_a.py::test_a",
            "group": None,
            "extra_info": {},
            "stats": {
                "min": 1.0, "max": 2.0, "mean": 1.5, "stddev": 0.5, "median": 1.5, "rounds": 2,
            },
        }
    ],
    "datetime": "2026-01-01T00:00:00+00:00",
    "version": "5.1.0",
}  # fmt: skip


def test_a_stock_file_can_be_read(tmp_path):
    """A file of plain pytest-benchmark is a run without our records."""
    run = read_run(publish(STOCK, tmp_path, "stock"))
    assert run.machine_info.hpml is None
    assert run.benchmarks[0].measurement is None
    assert run.benchmarks[0].stats.median == 1.5


def test_numbers_go_up_and_nothing_is_overwritten(tmp_path):
    """A new run has the next number behind the largest, also beyond four digits."""
    names = [publish(STOCK, tmp_path, "a").name for _ in range(2)]
    (tmp_path / "10041_b.json").write_text("{}")
    names.append(publish(STOCK, tmp_path, "c").name)
    assert names == ["0001_a.json", "0002_a.json", "10042_c.json"]


def test_many_savers_at_once_lose_nothing(tmp_path):
    """Sixteen threads that save at once end with sixteen files and no leftovers."""
    threads = [threading.Thread(target=publish, args=(STOCK, tmp_path, "x")) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(os.listdir(tmp_path)) == [f"{number:04d}_x.json" for number in range(1, 17)]


def test_nan_is_saved_as_null(tmp_path):
    """A number that JSON cannot hold, such as a test's parameter, does not lose the run."""
    path = publish({"a": [float("nan"), (float("inf"), 1.5)]}, tmp_path, "x")
    assert json.loads(path.read_text()) == {"a": [None, [None, 1.5]]}


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    """A full disk is an error without a partial file."""

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        publish(STOCK, tmp_path, "x")
    assert os.listdir(tmp_path) == []


def test_the_latest_run_is_that_of_any_machine(tmp_path):
    """Of two machines' runs the one saved last is the latest; other files do not count."""
    old = publish(STOCK, tmp_path / "machine-b", "old")
    new = publish(STOCK, tmp_path / "machine-a", "new")
    os.utime(old, ns=(1, 1))
    (tmp_path / "machine-a" / "notes.json").write_text("{}")
    assert saved_runs(tmp_path) == [old, new]
    assert latest(tmp_path) == new


def test_no_run_is_an_error_that_says_how_to_make_one(tmp_path):
    """An empty storage is bad input."""
    with pytest.raises(InputError, match=r"no saved run under .*make one with: make bench"):
        latest(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a saved run: Input data was truncated"),
        ("[]", r"is not a saved run: Expected `object`, got `array`"),
        ("{}", "is not a saved run: Object missing required field"),
        ("[" * 100_000, "is not a saved run"),
        (json.dumps(STOCK).replace("1.5", "NaN"), "is not a saved run: JSON is malformed"),
        (json.dumps(STOCK).replace('"rounds": 2', '"rounds": "2"'), r"rounds`"),
        (json.dumps(STOCK).replace("1.5", "1e999"), "is not a saved run: Number out of range"),
        ('{"\ud800": 1}', "is not a saved run"),
    ],
)
def test_files_that_are_no_runs_are_refused(tmp_path, text, message):
    """Whatever a file holds, reading it is one error that names the file."""
    path = tmp_path / "0001_x.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(RunFileError, match=message) as caught:
        read_run(path)
    assert str(path) in str(caught.value)


def with_learning(**changes):
    """Returns a run with what two seeds learnt, in two points."""
    learning = {"seeds": [0, 1], "points": [1, 5], "metrics": {"accuracy": [[0.5, 1], [0, 0.2]]}}
    ours = {"case": {}, "samples": None, "processes": [], "learning": learning | changes}
    stock = STOCK["benchmarks"][0]
    return STOCK | {"benchmarks": [stock | {"extra_info": {"hpml": ours}}]}


def test_what_an_ensemble_learnt_is_read_back(tmp_path):
    """Metrics by member and point, matrices by member."""
    path = publish(with_learning(matrices={"confusion": [[[5, 0]], [[4, 1]]]}), tmp_path, "x")
    learning = read_run(path).benchmarks[0].measurement.learning
    assert learning.metrics["accuracy"] == [[0.5, 1.0], [0.0, 0.2]]
    assert learning.matrices["confusion"][1] == [[4.0, 1.0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": [0]}, "accuracy has 2 members, not 1"),
        ({"points": [1]}, "a member's accuracy has not 1 values"),
        ({"matrices": {"confusion": [[[5]]]}}, "confusion has 1 members, not 2"),
        ({"metrics": {"loss": [[1, float("nan")], [1, 1]]}}, "Expected `float`, got `null`"),
    ],
)
def test_an_ensemble_that_cannot_be_is_refused(tmp_path, changes, message):
    """Whoever reads a run can rely on a value for each member and point."""
    with pytest.raises(RunFileError, match=message):
        read_run(publish(with_learning(**changes), tmp_path, "x"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_diverged_member_is_refused_before_it_is_saved(value):
    """JSON cannot hold the number, and the whole run could not be read."""
    with pytest.raises(InputError, match="not finite: lower the learning rate"):
        Learning([0], [1.0], {"loss": [[value]]})
    with pytest.raises(InputError, match="not finite"):
        Learning([0], [], {}, {"kernels": [[[value]]]})


def test_a_missing_file_is_refused(tmp_path):
    """A file that is not there is one error."""
    with pytest.raises(RunFileError, match="cannot be read: No such file"):
        read_run(tmp_path / "nothing.json")


def test_huge_files_are_not_read(tmp_path, monkeypatch):
    """The size is looked at before the content."""
    path = publish(STOCK, tmp_path, "x")
    monkeypatch.setattr(run_module, "LARGEST_FILE_BYTES", 10)
    with pytest.raises(RunFileError, match="at most 10 are read"):
        read_run(path)
