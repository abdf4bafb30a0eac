"""Every timed case with its interval, and what speaks against a run's numbers."""

import dataclasses

import pytest

from hpml_lab.report import run_warnings, timed
from hpml_lab.report.answers import all_tables
from support.runs import benchmark, doubtful, epoch, run_of


def test_warnings_are_told_gravest_first():
    """No result at all, a failed process, a flag, an unsteady process: each with its reason."""
    (result,) = run_warnings.answers(doubtful())
    assert [(row[0], row[2], row[3]) for row in result.rows] == [
        ("no result", "1", "out-of-memory: tried to allocate 2 GiB"),
        ("failed", "2", "crashed: killed by SIGSEGV"),
        ("flagged", "-", "counters differ"),
        ("unsteady", "2", "two modes: so and so"),
    ]


def test_one_doubt_about_several_processes_is_one_row():
    """What differs in the process alone is said once."""
    run = doubtful()
    failure = run.hpml.unmeasured.popitem()[1][0]
    both = [failure, dataclasses.replace(failure, process=2)]
    run.hpml.unmeasured["t.py::" + "x" * 5000] = both
    (result,) = run_warnings.answers(run)
    what, case, processes, _ = result.rows[0]
    assert (what, processes, len(case)) == ("no result", "1, 2", 120)


def test_a_run_without_warnings_has_no_table_of_them():
    """Nothing is said where all ran as it should, nor of a stock run."""
    assert run_warnings.answers(run_of(benchmark("workers", epochs=[epoch(2, 1.0)]))) == []
    assert run_warnings.answers(dataclasses.replace(run_of(), hpml=None)) == []


def test_every_timed_case_has_its_interval():
    """30, 33, 31 ms: t(98.75 %, 2) = 6.2053 deviations of the logs; one process has none."""
    run = doubtful()
    run.benchmarks[2].measurement.processes.append([0.031])
    (result,) = timed.answers(run)
    assert [row[2] for row in result.rows] == ["10.0 ms", "20.0 ms", "31.0 ms"]
    # mean of logs -3.46387, deviation 0.0484231, times 6.2053 * sqrt(4/3): -+ 0.346971
    assert result.rows[2][3:6] == ["22.1 ms", "44.3 ms", "2.00x"]
    assert [row[6:] for row in result.rows] == [
        ["1 of 2", "failed"],
        ["1", "flagged"],
        ["3", "unsteady"],
    ]
    assert result.rows[0][3:6] == ["-", "-", "-"]


def test_an_interval_that_says_nothing_is_not_shown():
    """30 and 33 ms alone would be 3.85 to 257 ms: three processes would say something."""
    (result,) = timed.answers(doubtful())
    assert result.rows[2][3:6] == ["cannot say: 3 processes", "-", "-"]


def test_the_cases_of_a_run_know_together_how_far_processes_lie_apart():
    """Ten cases of three processes have each a narrower interval than one of them alone."""
    run = doubtful()
    run.benchmarks[2].measurement.processes.append([0.031])
    (alone,) = timed.answers(run)
    (together,) = timed.answers(dataclasses.replace(run, benchmarks=[run.benchmarks[2]] * 10))
    widths = [float(result.rows[-1][5].removesuffix("x")) for result in (alone, together)]
    assert widths == [2.0, pytest.approx(1.31, abs=0.01)]


def test_a_run_without_times_has_no_table_of_them():
    """A case that failed in every process has no median."""
    failed = benchmark("workers", seconds=[1.0])
    failed.measurement.processes[:] = [[]]
    assert timed.answers(run_of(failed)) == []


def test_everything_ends_with_the_warnings():
    """A terminal shows the end: cases, answers, warnings."""
    titles = [answer.title for answer in all_tables(doubtful())]
    assert titles == ["Every timed case", "Batch size", "Warnings"]
