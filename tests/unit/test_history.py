"""`hpml-lab history` and `hpml-lab recover`: what is in a storage, readable or not."""

import json
import os
import shutil
from pathlib import Path

import pytest

from hpml_lab.report.history import render
from hpml_lab.runs.journal import Journal
from hpml_lab.runs.listing import listing
from hpml_lab.runs.reading import read_run
from hpml_lab.runs.store import runs, save_run
from support.journals import header, journal_of, measured
from support.runs import stock_json

STOCK = Path(__file__).parent / "stock"
RUN = stock_json({}, commit_info={"id": "c0ffee" * 6, "dirty": True})
OURS = {"processes": 3, "seed": 0, "missing": {"t.py::a": [2, 3]}}


def listed(run, storage):
    """Returns what the command lists, as JSON."""
    status, out, errors = run("history", "--storage", str(storage), "--json")
    assert (status, errors) == (0, [])
    return json.loads(out)


def test_runs_are_listed_by_machine_and_number(run, tmp_path):
    """With date, revision, cases, processes, and whether anything is missing."""
    save_run(RUN | {"hpml": OURS}, tmp_path / "b", "last")
    save_run(RUN, tmp_path / "a", "one")
    (tmp_path / "a" / "10000_two.json").write_text(json.dumps(RUN))
    (tmp_path / "a" / "9999_three.json").write_text(json.dumps(RUN))
    result = listed(run, tmp_path)["runs"]
    assert [(one["machine"], one["number"], one["name"]) for one in result] == [
        ("a", 1, "one"), ("a", 9999, "three"), ("a", 10000, "two"), ("b", 1, "last"),
    ]  # fmt: skip
    assert result[0] == {
        "machine": "a",
        "number": 1,
        "name": "one",
        "file": str(tmp_path / "a" / "0001_one.json"),
        "when": "2026-01-02T03:04:05+00:00",
        "commit": "c0ffee" * 6 + "+",
        "cases": 0,
        "processes": 1,
        "missing": None,
        "failed": 0,
        "problem": "",
    }
    assert (result[3]["processes"], result[3]["missing"]) == (3, 2)


def test_the_table_has_a_row_a_run(run, tmp_path):
    """Under the machine's name, with what is missing in words."""
    save_run(RUN | {"hpml": OURS}, tmp_path / "b", "last")
    _, out, _ = run("history", "--storage", str(tmp_path))
    lines = out.splitlines()
    assert lines[0] == "b"
    words = ["0001", "last", "2026-01-02", "03:04:05", "c0ffeec0ffee+", "0", "3"]
    assert lines[3].split() == [*words, "incomplete:", "2", "missing"]


def test_journals_are_listed_beside_the_runs(run, tmp_path):
    """One that is written, one to recover, and one that is damaged."""
    dead = journal_of(tmp_path / "m", [("t.py::a", measured(1))])
    living = Journal.create(tmp_path / "m", header(name="", when="2026-02-01T00:00:00+00:00"))
    broken = journal_of(tmp_path / "n", [])
    broken.write_text("{}\n")
    first, second, third = listed(run, tmp_path)["journals"]
    assert (first["alive"], first["ended"], first["due"]) == (True, 0, 4)
    assert (second["alive"], second["name"], second["ended"], second["due"]) == (False, "x", 1, 4)
    assert "line 1 is no header" in third["problem"]
    _, out, _ = run("history", "--storage", str(tmp_path))
    flat = " ".join(out.split())
    assert "Running: a run, 0 of 4 done" in flat
    assert "Unfinished: x, 1 of 4 done; save it with: hpml-lab recover" in flat
    assert "is of no use" in flat
    living.close()
    assert dead.is_file()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not a saved run: Input data was truncated"),
        (b"[" * 100_000, "is not a saved run: "),
        (b'{"benchmarks": 3}', "is not a saved run: Expected `array`"),
        (b'{"benchmarks": [], "datetime": 1e999}', "is not a saved run: "),
        (b'{"benchmarks": [NaN]}', "is not a saved run: JSON is malformed"),
        (b"\xff\xfe", "is not a saved run: "),
        (b'{"benchmarks": [], "hpml": {"missing": {"a": 7}}}', "is not a saved run: "),
    ],
)
def test_a_file_that_is_no_run_is_listed_with_the_reason(run, tmp_path, content, problem):
    """The others are listed as if it were not there."""
    save_run(RUN, tmp_path / "a", "good")
    (tmp_path / "a" / "0002_bad.json").write_bytes(content)
    good, bad = listed(run, tmp_path)["runs"]
    assert good["problem"] == ""
    assert bad["problem"].startswith(problem)


def test_what_cannot_be_opened_is_listed_with_the_reason(run, tmp_path):
    """A folder, a pipe and a link to nowhere have names of runs; nothing waits for them."""
    folder = tmp_path / "a"
    (folder / "0001_folder.json").mkdir(parents=True)
    os.mkfifo(folder / "0002_pipe.json")
    (folder / "0003_link.json").symlink_to("nowhere")
    problems = [one["problem"] for one in listed(run, tmp_path)["runs"]]
    assert problems == ["is not a saved run: it is no file"] * 3


def test_control_characters_do_not_reach_the_terminal(run, tmp_path):
    """Neither those of a file's name nor those in it."""
    folder = tmp_path / "a\x1b[2J"
    save_run(RUN | {"datetime": "\x1b]0;x\x07"}, folder, "b\x1b[31m\n")
    status, out, _ = run("history", "--storage", str(tmp_path))
    assert status == 0
    assert not any(ord(letter) < 32 for letter in out.replace("\n", ""))
    assert "a?[2J" in out


def test_no_storage_is_one_line(run, tmp_path):
    """A folder that is not there is bad input; an empty one has no runs."""
    status, _, errors = run("history", "--storage", str(tmp_path / "none"))
    assert (status, len(errors)) == (2, 1)
    assert "name one with --storage" in errors[0]
    status, out, _ = run("history", "--storage", str(tmp_path))
    assert (status, out) == (0, "No saved run; make one with: pytest --benchmark-save=NAME\n")


def test_recovering_says_what_is_saved_and_what_is_missing(run, tmp_path):
    """The newest journal of the storage, in words and as JSON."""
    path = journal_of(tmp_path / "m", [("t.py::a", measured(1))])
    status, out, _ = run("recover", "--storage", str(tmp_path))
    file = tmp_path / "m" / "0001_x.json"
    assert (status, out.splitlines()) == (
        0,
        [
            "Missing: t.py::a in process 2",
            "Missing: t.py::b in process 1, 2",
            f"Saved: {file}, 1 cases",
        ],
    )
    assert not path.exists()
    journal_of(tmp_path / "m", [("t.py::a", measured(1))], selection={"t.py::a": 1})
    status, out, _ = run("recover", "--storage", str(tmp_path), "--json")
    record = json.loads(out)
    assert record["file"] == str(tmp_path / "m" / "0002_x.json")
    assert (record["cases"], record["missing"], record["complete"]) == (1, {}, True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be opened: No such file or directory"),
        (b"", "it has no whole line"),
        (b"{}\n", "line 1 is no header"),
        (b"\x00\n\x00\n", "line 1 is no header"),
        (b"[" * 100_000 + b"\n", "line 1 is no header"),
    ],
)
def test_recovering_what_is_no_journal_is_one_line(run, tmp_path, content, said):
    """Exit status 2, no traceback, and nothing is saved."""
    path = tmp_path / ".journal-x.jsonl"
    if content is not None:
        path.write_bytes(content)
    status, out, errors = run("recover", str(path))
    assert (status, out, len(errors)) == (2, "", 1)
    assert said in errors[0]
    assert runs(tmp_path) == []


def test_recovering_nothing_is_one_line(run, tmp_path):
    """A storage without a journal of a dead run says so."""
    status, _, errors = run("recover", "--storage", str(tmp_path))
    assert (status, len(errors)) == (2, 1)
    assert "no journal of a dead run" in errors[0]


@pytest.mark.parametrize("version", ["3.4.1", "4.0.0", "5.3.1"])
def test_histories_of_pytest_benchmark_are_read(run, tmp_path, version):
    """Files that its versions 3, 4 and 5 wrote: two cases of one process, in their own folder."""
    folder = tmp_path / "Linux-CPython-3.11-64bit"
    folder.mkdir()
    name = "0001_unversioned_20261121_161539.json"
    shutil.copy(STOCK / f"{version}.json", folder / name)
    saved = read_run(folder / name)
    assert saved.version == version
    assert [bench.name for bench in saved.benchmarks] == ["test_sum[10]", "test_one"]
    assert saved.benchmarks[0].stats.rounds == 7
    assert saved.benchmarks[0].stats.min <= saved.benchmarks[0].stats.median
    assert saved.benchmarks[1].stats.stddev == 0
    assert (saved.hpml, saved.machine_info.hpml) == (None, None)
    (result,) = listed(run, tmp_path)["runs"]
    assert (result["machine"], result["number"]) == ("Linux-CPython-3.11-64bit", 1)
    assert (result["cases"], result["processes"], result["missing"]) == (2, 1, None)
    assert result["name"] == "unversioned_20261121_161539"
    assert save_run(RUN, folder, "next").name == "0002_next.json"


def test_failures_of_a_run_are_counted(tmp_path):
    """One case failed in a process, another in all: complete, and two failed."""
    from test_store import STOCK

    run = json.loads(json.dumps(STOCK))
    failure = {"process": 2, "kind": "crashed", "message": "killed"}
    record = {"case": {}, "samples": None, "processes": [[1.0], []], "failures": [failure]}
    run["benchmarks"][0]["extra_info"] = {"hpml": record}
    run["hpml"] = {"processes": 2, "seed": 0, "unmeasured": {"t.py::test_b": [failure]}}
    save_run(run, tmp_path / "box", "x")
    (result,), _ = listing(tmp_path)
    assert result.failed == 2
    assert "complete, 2 failed" in render([result], [])


def test_what_nothing_can_read_is_not_called_complete(tmp_path):
    """A file with benchmarks in another form than any of ours."""
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "0001_x.json").write_text('{"benchmarks": [{}], "machine_info": {}}')
    (result,), _ = listing(tmp_path)
    assert "Object missing required field" in result.problem
