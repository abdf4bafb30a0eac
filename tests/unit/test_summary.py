"""Many saved runs, read fast: only what a trend needs of them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hpml_lab.errors import RunFileError
from hpml_lab.runs import reading as run_module
from hpml_lab.runs.reading import read_run
from hpml_lab.runs.store import save_run
from hpml_lab.runs.summary import summarise, summary

STATS = {"min": 1.0, "max": 9.0, "mean": 2.0, "stddev": 1.0, "median": 1.5, "rounds": 3}


def a_run(**changes):
    """A run of pytest-benchmark with one benchmark."""
    benchmark = {"name": "test_a", "fullname": "t.py::test_a", "group": None, "extra_info": {}}
    run = {
        "machine_info": {"node": "ci-17", "cpu": {"brand_raw": "AMD EPYC 7763 64-Core"}},
        "commit_info": {"id": "ab" * 20, "dirty": True, "branch": "main"},
        "benchmarks": [benchmark | {"stats": STATS}],
        "datetime": "2026-01-02T03:04:05.600000+02:00",
        "version": "5.1.0",
    }
    return run | changes


def recorded(record):
    """A run whose benchmark has our record."""
    (benchmark,) = a_run()["benchmarks"]
    return a_run(benchmarks=[benchmark | {"extra_info": {"hpml": {"case": {}} | record}}])


def run_files():
    """The runs that the project has saved of its own machines."""
    return (Path(__file__).parents[2] / "benchmarks").glob("*/*.json")


def read(run, folder):
    """The summary of a run once it was saved."""
    return summary(save_run(run, folder, "x"))


def test_a_stock_run_has_one_process_a_benchmark(tmp_path):
    """Without our record the median of the file is that of one process, and nothing is counted."""
    case = read(a_run(), tmp_path).cases["t.py::test_a"]
    assert (case.medians_s, case.counters) == ((1.5,), {})


def test_each_process_counts_by_its_median(tmp_path):
    """An even number of rounds has its median in the middle; a process without rounds has none."""
    run = recorded({"samples": 8, "processes": [[4.0, 1.0, 2.0, 3.0], [], [7.0, 5, 6.0]]})
    assert read(run, tmp_path).cases["t.py::test_a"].medians_s == (2.5, 6.0)


def test_a_record_without_rounds_leaves_the_median_of_the_file(tmp_path):
    """What no process measured in rounds is read like a stock benchmark."""
    run = recorded({"samples": None, "processes": [[]], "counters": {"graphs": 3}})
    case = read(run, tmp_path).cases["t.py::test_a"]
    assert (case.medians_s, case.counters) == ((1.5,), {"graphs": 3})


def test_when_and_of_what_a_run_was_made(tmp_path):
    """Time, commit and whether it was all committed are those of the file."""
    result = read(a_run(), tmp_path)
    assert result.time == datetime(2026, 1, 2, 1, 4, 5, 600000, tzinfo=UTC)
    assert (result.commit, result.dirty) == ("ab" * 20, True)


def test_a_time_without_a_zone_is_utc(tmp_path):
    """pytest-benchmark's older files name no zone; they mean UTC."""
    result = read(a_run(datetime="2015-08-11T01:23:45"), tmp_path)
    assert result.time == datetime(2015, 8, 11, 1, 23, 45, tzinfo=UTC)


def test_a_run_outside_a_repository_has_no_commit(tmp_path):
    """Without commit_info, nothing is known of the code."""
    run = a_run()
    del run["commit_info"]
    result = read(run, tmp_path)
    assert (result.commit, result.dirty) == (None, False)


def test_our_machines_are_named_by_their_id(tmp_path):
    """The folder of a file does not matter where the file itself says which machine it was."""
    run = a_run(machine_info={"hpml": {"id": "amd-2cpu-1"}, "cpu": {"brand_raw": "AMD"}})
    assert read(run, tmp_path / "elsewhere").machine == "amd-2cpu-1"


def test_stock_machines_are_told_apart_by_their_processor(tmp_path):
    """Hosted runners of one folder have different processors; their times are not one history."""
    folder = tmp_path / "Linux-CPython-3.11-64bit"
    unnamed = a_run(machine_info={"node": "ci-18"})
    assert read(a_run(), folder).machine == "Linux-CPython-3.11-64bit/amd-epyc-7763-64-core"
    assert read(unnamed, folder).machine == "Linux-CPython-3.11-64bit"


def test_our_own_runs_read_the_same_as_in_full():
    """Machine, names, medians and counters are what `read_run` finds in the same file."""
    stored = sorted(run_files())
    assert stored
    for result, path in zip(summarise(stored), stored, strict=True):
        full = read_run(path)
        assert result.machine == full.machine_info.hpml.id
        assert list(result.cases) == [benchmark.fullname for benchmark in full.benchmarks]
        for benchmark in full.benchmarks:
            case = result.cases[benchmark.fullname]
            assert case.counters == benchmark.measurement.counters
            assert len(case.medians_s) == sum(map(bool, benchmark.measurement.processes))


def test_names_are_kept_once(tmp_path):
    """The runs of a history share the text of their benchmarks' names."""
    runs = [a_run() | {"datetime": f"2026-01-0{day}T00:00:00"} for day in (1, 2)]
    paths = [save_run(run, tmp_path, "x") for run in runs]
    first, second = (next(iter(result.cases)) for result in summarise(paths))
    assert first is second


def test_a_copy_of_a_run_counts_once(tmp_path):
    """What was measured once is one run, however often its file is there; others go on."""
    paths = [save_run(a_run(), tmp_path, name) for name in ("x", "copy")]
    (tmp_path / "0003_bad.json").write_text("{}")
    paths += [tmp_path / "0003_bad.json"]
    first, copy, error = summarise(paths)
    assert first.path == paths[0]
    assert "0002_copy.json' is a copy of" in str(copy)
    assert "0003_bad.json' is not a saved run" in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a saved run: Input data was truncated"),
        ("[]", r"is not a saved run: Expected `object`, got `array`"),
        ("{}", "is not a saved run: Object missing required field"),
        ("[" * 100_000, "is not a saved run"),
        (json.dumps(a_run()).replace("1.5", "1e999"), "is not a saved run: Number out of range"),
        (json.dumps(a_run()).replace("1.5", '"1.5"'), r"Expected `float`, got `str`.*median"),
        (json.dumps(a_run(datetime="yesterday")), r"Invalid RFC3339.*datetime"),
        ('{"\ud800": 1}', "is not a saved run"),
    ],
)
def test_files_that_are_no_runs_are_refused(tmp_path, text, message):
    """Whatever a file holds, reading it is one error that names the file."""
    path = tmp_path / "0001_x.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(RunFileError, match=message) as caught:
        summary(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    """A file that is not there is one error."""
    with pytest.raises(RunFileError, match="cannot be read: No such file"):
        summary(tmp_path / "nothing.json")


def test_huge_files_are_not_read(tmp_path, monkeypatch):
    """The size is looked at before the content."""
    path = save_run(a_run(), tmp_path, "x")
    monkeypatch.setattr(run_module, "LARGEST_FILE_BYTES", 10)
    with pytest.raises(RunFileError, match="at most 10 are read"):
        summary(path)
