"""Every timed case with its interval, and what speaks against a run's numbers."""

from made_up_runs import benchmark, changed, doubtful, epoch, run_of

from hpml_lab.report.answers import doubts, everything, timed


def test_doubts_are_told_gravest_first():
    """No result at all, a failed process, a flag, an unsteady process: each with its reason."""
    (found,) = doubts.answers(doubtful())
    assert [(row[0], row[2], row[3]) for row in found.rows] == [
        ("no result", "1", "out-of-memory: tried to allocate 2 GiB"),
        ("failed", "2", "crashed: killed by SIGSEGV"),
        ("flagged", "-", "counters differ"),
        ("unsteady", "2", "two modes: so and so"),
    ]


def test_a_run_without_doubts_has_no_table_of_them():
    """Nothing is said where all ran as it should, nor of a stock run."""
    assert doubts.answers(run_of(benchmark("workers", [epoch(2, 1.0)]))) == []
    assert doubts.answers(changed(run_of(), hpml=None)) == []


def test_every_timed_case_has_its_interval():
    """30 and 33 ms: t(98.75 %, 1) = 25.4517 deviations of the logs; one process has none."""
    (found,) = timed.answers(doubtful())
    assert [row[2] for row in found.rows] == ["10.0 ms", "20.0 ms", "31.5 ms"]
    # mean of logs -3.45890, deviation 0.0673945, times 25.4517 * sqrt(1.5): -+ 2.10081
    assert found.rows[2][3:6] == ["3.85 ms", "257 ms", "66.79x"]
    assert [row[6:] for row in found.rows] == [
        ["1 of 2", "failed"],
        ["1", "flagged"],
        ["2", "unsteady"],
    ]
    assert found.rows[0][3:6] == ["-", "-", "-"]


def test_a_run_without_times_has_no_table_of_them():
    """A case that failed in every process has no median."""
    failed = benchmark("workers", seconds=[1.0])
    failed.measurement.processes[:] = [[]]
    assert timed.answers(run_of(failed)) == []


def test_everything_ends_with_the_doubts():
    """A terminal shows the end: cases, answers, doubts."""
    titles = [answer.title for answer in everything(doubtful())]
    assert titles == ["Every timed case", "Batch size", "What to doubt"]
