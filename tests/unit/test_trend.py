"""The trend of a machine's history: which cases moved, by how much, at which run and commit."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from hpml_lab.cli import cli
from hpml_lab.comparison.trend import trend
from hpml_lab.errors import InputError
from hpml_lab.report.trend import record, render
from hpml_lab.runs.store import save_run
from hpml_lab.runs.summary import Case, Summary
from support.runs import stock_json

START = datetime(2026, 1, 1, tzinfo=UTC)
NOISE = np.exp(0.01 * np.random.default_rng(11).standard_normal(60)).tolist()


def run(number, cases, *, name=None, dirty=False):
    """A run of day `number`, with cases by name: Case, or seconds of one process."""
    result = {
        key: case if isinstance(case, Case) else Case((case,), {}) for key, case in cases.items()
    }
    path = Path(f"{number:04d}_{name or 'bench'}.json")
    return Summary(path, START + timedelta(days=number), f"{number:040x}", dirty, "box", result)


def history(seconds, **of_run):
    """Runs of the case t.py::a with these seconds."""
    return [run(number, {"t.py::a": value}, **of_run) for number, value in enumerate(seconds, 1)]


SLOWER = [0.010 * noise * (1.1 if number >= 40 else 1) for number, noise in enumerate(NOISE, 1)]


def test_a_case_that_moved_names_its_run_and_commit():
    """10 ms until run 39, 11 ms from run 40 on."""
    (move,) = trend(history(SLOWER)).moved
    assert (move.fullname, move.number, move.run.commit) == ("t.py::a", 40, f"{40:040x}")
    assert move.previous.commit == f"{39:040x}"
    assert move.before == pytest.approx(0.010, rel=0.01)
    assert move.after == pytest.approx(0.011, rel=0.01)


def test_a_case_that_did_not_move_is_still():
    """Noise alone is no move."""
    result = trend(history([0.010 * noise for noise in NOISE]))
    assert (result.moved, result.still, result.short) == ([], ["t.py::a"], [])


def test_runs_are_taken_by_their_time():
    """Whichever order the files are in, the history is that of the clock."""
    (move,) = trend(reversed(history(SLOWER))).moved
    assert move.number == 40


def test_of_fewer_than_eight_runs_nothing_is_said():
    """Seven runs are too short, whatever they show; with an eighth, a step as large is one."""
    seconds = [1.0, 1.0001, 1.0, 1.0001, 5.0, 5.0001, 5.0, 5.0001]
    short = trend(history(seconds[:7]))
    assert (short.moved, short.still, short.short) == ([], [], ["t.py::a"])
    (move,) = trend(history(seconds)).moved
    assert move.number == 5


def test_a_case_that_came_later_has_its_own_runs():
    """Numbers of runs count the machine's history, also where a case was not in all of them."""
    runs = history(SLOWER)
    late = [run(0, {"t.py::other": 1.0}), *runs]
    (move,) = trend(late).moved
    assert (move.number, move.run.commit) == (41, f"{40:040x}")
    assert trend(late).short == ["t.py::other"]


def test_processes_that_differ_hide_what_runs_show():
    """Runs that agree by chance are not believed where each has processes 30 % apart."""
    alike = [Case((value / 1.15, value * 1.15), {}) for value in SLOWER]
    runs = [run(number, {"t.py::a": case}) for number, case in enumerate(alike, 1)]
    assert trend(runs).moved == []


def test_a_clock_that_stood_still_is_left_out():
    """A median of zero seconds has no log; the run counts as one without the case."""
    seconds = [0.0 if number == 10 else value for number, value in enumerate(SLOWER, 1)]
    (move,) = trend(history(seconds)).moved
    assert move.number == 40


def counted(*values, name="graphs"):
    """Runs whose case has this counter; None for a run without it."""
    return [
        run(number, {"t.py::a": Case((1.0,), {} if value is None else {name: value})})
        for number, value in enumerate(values, 1)
    ]


def test_a_counter_moves_at_the_very_run():
    """One more graph is a change without any statistics, in however short a history."""
    (move,) = trend(counted(3, 3, 4, 4)).counters
    assert (move.counter, move.before, move.after, move.number) == ("graphs", 3, 4, 3)
    assert (move.run.commit, move.previous.commit) == (f"{3:040x}", f"{2:040x}")


def test_a_counter_that_was_not_taken_has_not_moved():
    """Between equal values with a gap there is no change; between others it is at the later one."""
    assert trend(counted(3, None, 3)).counters == []
    (move,) = trend(counted(3, None, 4)).counters
    assert (move.number, move.previous.commit) == (3, f"{1:040x}")


def test_the_text_has_a_line_a_move():
    """Case, change, run, commit and date; then how many did not move."""
    runs = history([0.020] * 39 + [0.022] * 21, name="nightly", dirty=True)
    text = render(trend(runs))
    assert (
        "a  20.0 ms -> 22.0 ms (+10.0 %)  run 40 (0040_nightly), commit 0000000000 "
        "and uncommitted changes, 2026-02-10\n"
    ) in text
    assert "box: 60 runs, 2026-01-02 to 2026-03-02\n" in text
    assert "0 of 1 cases did not move.\n" in text
    assert "at most 1.0 %" in text


def test_the_text_names_counters_and_short_histories():
    """A counter's line has both values; short cases are counted."""
    text = render(trend(counted(1000, 2000)))
    assert "a  graphs 1,000 -> 2,000  run 2 (0002_bench)" in text
    assert "1 have fewer than 8 runs: nothing can be said of their seconds yet." in text


def test_names_cannot_reach_the_terminal():
    """Control characters of a run file are question marks in the text."""
    runs = [run(n, {"t.py::\x1b[31ma\n": Case((1.0,), {"\x07": n})}) for n in (1, 2)]
    text = render(trend(runs))
    assert "?[31ma?  ? 1 -> 2" in text


def test_the_record_is_plain_json():
    """Everything of the text, with whole commits."""
    result = json.loads(json.dumps(record(trend(history(SLOWER)))))
    (move,) = result["moved"]
    assert (result["machine"], result["runs"], result["alpha"]) == ("box", 60, 0.01)
    assert move["commit"] == f"{40:040x}"
    assert move["ratio"] == pytest.approx(1.1, rel=0.01)


def saved(folder, seconds, *, hpml=None, first=1):
    """Saves a run for each of some seconds, as pytest-benchmark does."""
    for number, value in enumerate(seconds, first):
        content = stock_json(
            {"t.py::a": value},
            machine_info={"hpml": {"id": hpml}} if hpml else {"node": "n"},
            commit_info={"id": f"{number:040x}", "dirty": False},
            datetime=(START + timedelta(days=number)).isoformat(),
        )
        save_run(content, folder, "ci")


def invoke(*arguments):
    """Runs the command; errors come out as they are."""
    result = CliRunner().invoke(cli, ["trend", *map(str, arguments)], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.output


def test_the_command_reads_a_stock_storage(tmp_path):
    """A folder of pytest-benchmark is a machine; the moved case is found in it."""
    saved(tmp_path / "Linux-CPython-3.11-64bit", SLOWER)
    result = json.loads(invoke("--storage", tmp_path, "--json"))
    assert (result["machine"], result["runs"]) == ("Linux-CPython-3.11-64bit", 60)
    assert [move["number"] for move in result["moved"]] == [40]
    assert "run 40 (0040_ci)" in invoke("--storage", tmp_path)


def test_the_command_takes_one_machine_at_a_time(tmp_path):
    """The default is the machine of the newest run; another is named."""
    saved(tmp_path / "old", SLOWER[:9], hpml="box-a")
    saved(tmp_path / "new", SLOWER[:12], hpml="box-b", first=2)
    assert json.loads(invoke("--storage", tmp_path, "--json"))["machine"] == "box-b"
    named = json.loads(invoke("--storage", tmp_path, "--machine", "box-a", "--json"))
    assert (named["machine"], named["runs"]) == ("box-a", 9)
    with pytest.raises(InputError, match="unknown machine 'box-c'; choose one of: box-a, box-b"):
        invoke("--storage", tmp_path, "--machine", "box-c")


def test_the_command_refuses_what_is_no_history(tmp_path):
    """A storage without a run."""
    with pytest.raises(InputError, match="no saved run under"):
        invoke("--storage", tmp_path)


def test_a_file_that_is_no_run_is_named_and_skipped(tmp_path):
    """It does not hide the trend of the others."""
    saved(tmp_path / "box", SLOWER)
    (tmp_path / "box" / "0990_x.json").write_text("{}")
    assert "box: " in invoke("--storage", tmp_path)


def test_summaries_hold_no_rounds():
    """Two thousand runs of sixty cases stay in memory: a case is a few machine words."""
    assert {field.name for field in msgspec.structs.fields(Case)} == {"medians_s", "counters"}


def test_other_machines_of_a_storage_are_named(tmp_path):
    """And a machine is chosen by its folder, where that is enough."""
    saved(tmp_path / "box", SLOWER)
    saved(tmp_path / "crate", SLOWER[:3])
    shown = invoke("--storage", tmp_path, "--machine", "crate")
    assert "crate: 3 runs" in shown
    assert "3 have fewer than" not in shown
    assert "1 have fewer than 8 runs: nothing can be said of their seconds yet." in shown
    assert "cases did not move" not in shown
    assert "Other machines here: box; choose with --machine." in shown


def test_a_folder_of_two_machines_means_the_one_with_most_runs(tmp_path):
    """Runners changed once: the history is that of the other, and the one is named."""
    folder = tmp_path / "Linux-CPython-3.12-64bit"
    saved(folder, SLOWER[:9])
    (last,) = sorted(folder.glob("*0009*"))
    content = json.loads(last.read_text())
    content["machine_info"]["cpu"] = {"brand_raw": "EPYC"}
    last.write_text(json.dumps(content))
    shown = invoke("--storage", tmp_path, "--machine", folder.name)
    assert f"{folder.name}: 8 runs" in shown
    assert f"Other machines here: {folder.name}/epyc; choose" in shown
    assert f"{folder.name}/epyc: 1 run," in invoke("--storage", tmp_path)
