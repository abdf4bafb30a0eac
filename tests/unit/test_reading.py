"""Saved runs, read strictly: what is none is refused by name."""

import json

import pytest

from hpml_lab.errors import InputError, RunFileError
from hpml_lab.runs import reading
from hpml_lab.runs.reading import read_run
from hpml_lab.runs.schema import Learning
from hpml_lab.runs.store import save_run, strict_json
from support.runs import STOCK

OURS = json.dumps({**STOCK, "machine_info": {"hpml": None}})


def test_a_stock_file_can_be_read(tmp_path):
    """A file of plain pytest-benchmark is a run without our records."""
    run = read_run(save_run(STOCK, tmp_path, "stock"))
    assert run.machine_info.hpml is None
    assert run.benchmarks[0].measurement is None
    assert run.benchmarks[0].stats.median == 1.5


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity"])
def test_a_stock_file_may_hold_what_json_cannot(tmp_path, written):
    """As Python writes it: the file is read, and the number is unknown."""
    path = tmp_path / "run.json"
    path.write_text(json.dumps(STOCK).replace("1.5", written))
    assert read_run(path).benchmarks


def test_half_a_character_is_spelled_out(tmp_path):
    """In a name or a message of a stock file, and in what we save; whole ones stay."""
    path = tmp_path / "run.json"
    named = json.loads(json.dumps(STOCK))
    named["benchmarks"][0]["fullname"] = "test[\ud800-\U0001f600]"
    path.write_text(json.dumps(named))
    assert read_run(path).benchmarks[0].fullname == "test[\\ud800-\U0001f600]"
    assert json.loads(strict_json({"a\udfff": ["\ud83d\ude00", "\ud800"]})) == {
        "a\\udfff": ["\U0001f600", "\\ud800"]
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a saved run: Input data was truncated"),
        ("[]", r"is not a saved run: Expected `object`, got `array`"),
        ("{}", "is not a saved run: Object missing required field"),
        ("[" * 100_000, "is not a saved run"),
        (OURS.replace("1.5", "NaN"), "is not a saved run: JSON is malformed"),
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
    path = save_run(with_learning(matrices={"confusion": [[[5, 0]], [[4, 1]]]}), tmp_path, "x")
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
        read_run(save_run(with_learning(**changes), tmp_path, "x"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_diverged_member_is_refused_before_it_is_saved(value):
    """JSON cannot hold the number, and the whole run could not be read."""
    with pytest.raises(InputError, match="not finite: lower the learning rate"):
        Learning(seeds=[0], points=[1.0], metrics={"loss": [[value]]})
    with pytest.raises(InputError, match="not finite"):
        Learning(seeds=[0], points=[], metrics={}, matrices={"kernels": [[[value]]]})


def test_a_missing_file_is_refused(tmp_path):
    """A file that is not there is one error."""
    with pytest.raises(RunFileError, match="cannot be read: No such file"):
        read_run(tmp_path / "nothing.json")


def test_huge_files_are_not_read(tmp_path, monkeypatch):
    """The size is looked at before the content."""
    path = save_run(STOCK, tmp_path, "x")
    monkeypatch.setattr(reading, "LARGEST_FILE_BYTES", 10)
    with pytest.raises(RunFileError, match="at most 10 are read"):
        read_run(path)
