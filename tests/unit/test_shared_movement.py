"""What all cases of a history do together, and one case under several names."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from hpml_lab.comparison.trend import trend
from hpml_lab.report.trend import record, render
from hpml_lab.runs.summary import Case, Summary, by_case
from hpml_lab.stats.change_points import shared_movement

START = datetime(2026, 1, 1, tzinfo=UTC)


def history(table, names=None):
    """Runs of one process whose cases have these seconds: (cases, runs), NaN for none."""
    names = names or [f"tests/test_t.py::case{row}" for row in range(len(table))]
    return [
        Summary(
            Path(f"{number:04d}_ci.json"), START + timedelta(days=number), f"{number:040x}", False,
            "box", {n: Case((s,), {}) for n, s in zip(names, column, strict=True) if s == s},
        )
        for number, column in enumerate(np.transpose(table), 1)
    ]  # fmt: skip


def noisy(cases, runs, seed=1):
    """Seconds of about 10 ms with 1 % of noise."""
    return 0.010 * np.exp(0.01 * np.random.default_rng(seed).standard_normal((cases, runs)))


def test_the_median_of_all_cases_is_the_machine():
    """Three levels of cases, a machine at 1, 2 and 1 units above: each is told from the other."""
    machine = np.array([0.0, 1.0, 0.0])
    table = [level + machine for level in range(9)]
    assert shared_movement(table).tolist() == [0, 1, 0]


def test_what_less_than_half_of_the_cases_do_is_theirs():
    """Four of nine cases that move by 5 leave the machine where it was."""
    table = [np.array([0.0, 0.0, 0.0, 5.0 if case < 4 else 0.0]) for case in range(9)]
    assert shared_movement(table).tolist() == [0, 0, 0, 0]


def test_cases_that_came_later_do_not_hide_the_machine():
    """Nine cases see it slow down at run 4; nine more have only the slow runs."""
    old, new = np.array([0.0, 0, 0, 1, 1, 1]), np.array([np.nan] * 3 + [7.0] * 3)
    shared = shared_movement([old] * 9 + [new] * 9)
    assert shared[3:].tolist() == pytest.approx([shared[0] + 1] * 3, abs=1e-3)


def test_of_few_cases_nothing_is_shared():
    """Seven cases that move together may be seven changes; so may all of a run with seven."""
    assert shared_movement([np.array([0.0, 1.0])] * 7).tolist() == [0, 0]
    table = [np.array([0.0, 1.0, 0.0, 0.0, np.nan if case < 3 else 1.0]) for case in range(10)]
    assert shared_movement(table).tolist() == [0, 1, 0, 0, 0]


def test_a_machine_that_got_slower_is_one_line():
    """Twenty cases, the machine 50 % slower from run 31 on, one case 30 % slower from run 16 on."""
    table = noisy(20, 60)
    table[:, 30:] *= 1.5
    table[7, 15:] *= 1.3
    result = trend(history(table))
    (shared,) = result.shared
    assert (shared.number, len(shared.cases), shared.judged) == (31, 20, 20)
    assert shared.ratio == pytest.approx(1.5, rel=0.01)
    (move,) = result.moved
    assert (move.fullname, move.number) == ("tests/test_t.py::case7", 16)
    assert move.after / move.before == pytest.approx(1.3, rel=0.01)
    text = render(result)
    assert "20 of 20 cases changed together by +50.0 % at run 31 (0031_ci)" in text
    assert "19 of 20 cases did not move on their own." in text
    assert record(result)["shared"][0]["judged"] == 20


def test_a_case_that_did_not_follow_the_machine_is_not_said_to_have_moved():
    """One of twenty waits for a disk; it has the same seconds before and after."""
    table = noisy(20, 60)
    table[1:, 30:] *= 1.5
    result = trend(history(table))
    assert [len(shared.cases) for shared in result.shared] == [19]
    assert result.moved == []


def test_hosts_of_two_speeds_do_not_hide_a_change():
    """Each run is on a host of its own, half of them 1.8 times as slow: 10 % of a case is seen."""
    table = noisy(20, 60)
    table[:, np.random.default_rng(3).random(60) < 0.5] *= 1.8
    assert trend(history(table)).moved == []
    table[4, 40:] *= 1.1
    (move,) = trend(history(table)).moved
    assert (move.fullname, move.number) == ("tests/test_t.py::case4", 41)
    assert move.after / move.before == pytest.approx(1.1, rel=0.01)


def names_of(*columns):
    """The cases of a history whose runs have these names."""
    runs = [
        Summary(Path("x"), START, None, False, "box", {name: Case((1.0,), {}) for name in column})
        for column in columns
    ]
    return {name: [place for place, _ in result] for name, result in by_case(runs).items()}


def test_a_case_whose_folder_moved_is_one_case():
    """It has its last name; an older checkout measured once more does not give it back the old."""
    old, new = "env-a/lib/bench/test_x.py::test_a[1]", "env-b/lib/bench/test_x.py::test_a[1]"
    assert names_of([old], [old], [new]) == {new: [0, 1, 2]}
    assert names_of([old], [new], [old]) == {old: [0, 1, 2]}
    assert names_of(["test_x.py::a"], ["tests/test_x.py::a"]) == {"tests/test_x.py::a": [0, 1]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lib/bench/test_x.py::a", "lib/bench/test_x.py::b"),
        ("lib/bench/test_x.py::a", "lib/bench/test_y.py::a"),
        ("lib/one/test_x.py::a", "lib/two/test_x.py::a"),
        ("a/test_x.py::t[a/test.py::x]", "a/test_x.py::t[b/test.py::x]"),
    ],
)
def test_other_cases_stay_apart(one, other):
    """Another test, file, or folder of the file; a parameter with slashes is no folder."""
    assert names_of([one], [other]) == {one: [0], other: [1]}


def test_two_cases_of_one_run_stay_apart():
    """A suite that was copied measures both."""
    one, other = "v1/bench/test_x.py::a", "v2/bench/test_x.py::a"
    assert names_of([one], [one, other]) == {one: [0, 1], other: [1]}


def test_a_change_across_a_new_folder_is_found():
    """10 % slower from run 13 on, under another folder from run 12 on."""
    table = noisy(1, 40)[0]
    table[12:] *= 1.1
    moved = np.arange(40) >= 11
    rows = [np.where(moved, np.nan, table), np.where(moved, table, np.nan)]
    names = ["env-a/bench/test_x.py::a", "env-b/bench/test_x.py::a"]
    (move,) = trend(history(rows, names)).moved
    assert (move.fullname, move.number) == (names[1], 13)
