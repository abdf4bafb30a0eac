"""Tests in fresh interpreters, seen from outside; `test_disasters` has what they die of."""

import json
import os
import signal
import subprocess
import sys

import pytest

from hpml_lab.pytest_plugin import interpreter
from hpml_lab.runs.schema import Failure
from support.runs import saved_in

pytestmark = pytest.mark.integration

QUICK = ["--benchmark-max-time=0.01", "--benchmark-min-rounds=3"]
# How often a test was run so far, over all interpreters: the second time is in the second process.
TIMES = """
    from pathlib import Path

    def times(name):
        with Path(f"{name}.times").open("a") as file:
            print(file=file)
        return len(Path(f"{name}.times").read_text())
"""


@pytest.fixture
def project(project):
    """A project with a module that counts over all interpreters."""
    project.makepyfile(times=TIMES)
    return project


def saved_run(project):
    """Returns the one run saved in a project."""
    (run,) = saved_in(project.path)
    return run


THREE = """
    import pytest
    from times import times

    @pytest.mark.parametrize("n", [1, 2])
    def test_a(measure, n):
        measure(int)

    @pytest.mark.slow
    def test_b(measure):
        measure(int)
        measure.counters |= {"same": 7, "other": times("other")}
"""


def test_a_killed_interpreter_costs_its_current_case_only(project):
    """In the second process; the other case and the other process are kept."""
    project.makepyfile("""
        import os
        import signal

        from times import times

        def test_killed(measure):
            measure(int)
            if times("killed") == 2:
                os.kill(os.getpid(), signal.SIGKILL)

        def test_sound(measure):
            measure(int)
    """)
    result = project.runpytest_inprocess(*QUICK, "--hpml-processes=2", "--benchmark-save=x")
    result.assert_outcomes(passed=1, failed=1)
    killed, sound = (bench.measurement for bench in saved_run(project).benchmarks)
    assert [len(rounds) >= 3 for rounds in killed.processes] == [True, False]
    assert [len(rounds) >= 3 for rounds in sound.processes] == [True, True]
    assert killed.failures == [
        Failure(process=2, kind="crashed", message="killed by SIGKILL", signal="SIGKILL")
    ]


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (["-m", "slow"], ["test_b"]),
        (["-k", "a and 2"], ["test_a[2]"]),
        (["test_t.py::test_b", "test_t.py::test_a[1]"], ["test_b", "test_a[1]"]),
    ],
)
def test_only_what_is_selected_runs(project, selection, names):
    """By marker, by expression and by id."""
    project.makepyfile(test_t=THREE)
    project.runpytest_inprocess(*QUICK, "--hpml-processes=1", "--benchmark-save=x", *selection)
    assert [bench.name for bench in saved_run(project).benchmarks] == names


def test_a_run_that_is_saved_has_three_processes(project):
    """Unless told otherwise; a run written to a file is saved too."""
    project.makepyfile(test_t=THREE)
    # Of its own process: before pytest-benchmark 5.3 the option leaves an open file behind.
    project.runpytest_subprocess(*QUICK, "--benchmark-json=x.json", "-k", "test_b")
    run = json.loads((project.path / "x.json").read_text())
    assert len(run["benchmarks"][0]["extra_info"]["hpml"]["processes"]) == 3


def test_what_is_marked_once_is_measured_in_the_first_process(project):
    """The other test of the run has rounds of both processes."""
    project.makepyfile("""
        import pytest

        @pytest.mark.hpml_once
        def test_exact(measure):
            measure(int)

        def test_timed(measure):
            measure(int)
    """)
    project.runpytest_inprocess(*QUICK, "--hpml-processes=2", "--benchmark-save=x")
    outcome = {bench.name: bench.measurement for bench in saved_run(project).benchmarks}
    exact, timed = outcome["test_exact"], outcome["test_timed"]
    assert [len(rounds) >= 3 for rounds in exact.processes] == [True, False]
    assert [len(rounds) >= 3 for rounds in timed.processes] == [True, True]
    assert exact.failures == exact.flags == []


def test_what_is_skipped_needs_no_interpreter(project, monkeypatch):
    """A test with a skip mark is skipped here; nothing is started for it."""
    project.makepyfile("""
        import pytest

        @pytest.mark.hpml_alone
        @pytest.mark.skip(reason="no GPU")
        def test_gpu(measure):
            measure(int)
    """)
    monkeypatch.delattr(interpreter.WorkerProcess, "__enter__")
    result = project.runpytest_inprocess(*QUICK, "--benchmark-save=x")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["Nothing saved: no measured case passed."])


def test_a_counter_that_differs_between_processes_is_flagged(project):
    """In the saved run and on the terminal; one that is the same is not."""
    project.makepyfile(test_t=THREE)
    result = project.runpytest_inprocess(
        *QUICK, "--hpml-processes=2", "--benchmark-save=x", "-k", "test_b"
    )
    (bench,) = saved_run(project).benchmarks
    assert bench.measurement.counters == {"same": 7, "other": 1}
    assert bench.measurement.flags == ["counters differ: other 1 != 2 in process 2"]
    result.stdout.fnmatch_lines(["Warning: flagged: test_b: counters differ: other 1 != 2 *"])


def test_without_saving_tests_run_in_this_interpreter(project, monkeypatch):
    """Neither environment nor ini value spreads a run that only checks; the option does."""
    monkeypatch.setenv("HPML_PROCESSES", "2")
    monkeypatch.setenv("STARTED", str(os.getpid()))
    project.makeini("[pytest]\nhpml_processes = 2")
    project.makepyfile("""
        import os

        def test_here(measure):
            assert os.environ["STARTED"] == str(os.getpid())
            measure(int)
    """)
    project.runpytest_inprocess(*QUICK).assert_outcomes(passed=1)
    project.runpytest_inprocess(*QUICK, "--hpml-processes=1").assert_outcomes(failed=1)


def test_the_first_failure_can_be_the_last(project):
    """With -x nothing runs behind a test that failed in the first process."""
    project.makepyfile("""
        import pytest

        @pytest.mark.parametrize("n", [1, 2, 3])
        def test_bad(benchmark, n):
            assert False
    """)
    result = project.runpytest_inprocess("-x", "--hpml-processes=2")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*stopping after 1 failures*"])
    assert result.ret == 1


def test_interpreters_that_cannot_start_are_not_started_for_ever(project):
    """All tests of the process are lost, with what the interpreter said."""
    project.makeconftest("""
        def pytest_configure(config):
            if hasattr(config, "workerinput"):
                raise RuntimeError("no second one")
    """)
    project.makepyfile("def test_a(benchmark): pass\ndef test_b(benchmark): pass")
    result = project.runpytest_inprocess("--hpml-processes=2")
    result.assert_outcomes(failed=2)
    said = "crashed: the interpreter left with status 3: RuntimeError: no second one"
    result.stdout.fnmatch_lines([said])


def test_an_internal_error_behind_the_last_test_is_not_dropped(project):
    """A plugin that fails once all tests have ended: the run is saved, and ends with status 3."""
    project.makeconftest("""
        import pytest

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtestloop(session):
            done = yield
            if hasattr(session.config, "workerinput"):
                raise RuntimeError("behind the last test")
            return done
    """)
    project.makepyfile("def test_a(benchmark): benchmark(int)")
    result = project.runpytest_inprocess("--hpml-processes=1", "--benchmark-save=kept")
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(["*internal error in a fresh interpreter: RuntimeError: behind*"])
    assert len(list(project.path.glob(".benchmarks/*/0001_kept.json"))) == 1


def test_a_test_whose_name_changes_is_lost_alone(project):
    """A fresh interpreter does not find it; the others run."""
    project.makepyfile("""
        import os
        import pytest

        @pytest.mark.parametrize("n", [1, 2], ids=[f"{os.getpid()}", f"{ {os.getpid()} }"])
        def test_changing(benchmark, n):
            benchmark(int)

        def test_steady(benchmark):
            benchmark(int)
    """)
    result = project.runpytest_inprocess(*QUICK, "--hpml-processes=2", "--benchmark-save=x")
    result.assert_outcomes(passed=1, failed=2)
    run = saved_run(project)
    assert [bench.name for bench in run.benchmarks] == ["test_steady"]
    for name, failures in run.hpml.unmeasured.items():
        assert "test_changing" in name
        assert [failure.process for failure in failures] == [1, 2]
        assert "collects no test of this name" in failures[0].message
        assert ("PYTHONHASHSEED" in failures[0].message) == ("{" in name)


def test_killed_for_want_of_memory_is_told_from_killed(project, monkeypatch):
    """If the kernel has counted such a killing meanwhile, a SIGKILL was that."""
    counts = project.path / "vmstat"
    counts.write_text("pgfault 9\noom_kill 4\n")
    monkeypatch.setattr(interpreter, "_VMSTAT", counts)
    project.makepyfile("""
        import os
        import signal
        from pathlib import Path

        def test_greedy(benchmark):
            Path("vmstat").write_text("pgfault 9\\noom_kill 5\\n")
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    result = project.runpytest_inprocess("--hpml-processes=1")
    result.stdout.fnmatch_lines(["out-of-memory: killed by the kernel for want of memory"])


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_keeps_what_has_ended(project, sent):
    """By Ctrl-C or by a batch system: the first of two cases is in both files, exit status 2."""
    project.makepyfile("""
        import threading

        import pytest
        from times import times

        @pytest.mark.parametrize("n", [1, 2])
        def test_a(measure, n):
            measure(int)
            if times("all") == 2:
                threading.Event().wait()
    """)
    # What is started in the background of a script inherits that Ctrl-C is ignored.
    program = (
        "import signal, sys, pytest; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    options = [*QUICK, "--benchmark-save=x", "--benchmark-json=x.json"]
    command = [sys.executable, "-c", program, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        for line in parent.stdout:
            if line.startswith("[1/6] process 1: ") and "passed in" in line:
                break
        parent.send_signal(sent)
        parent.communicate()
    assert parent.returncode == 2
    (bench,) = saved_run(project).benchmarks
    assert [len(rounds) >= 3 for rounds in bench.measurement.processes] == [True, False, False]
    assert bench.measurement.failures == []
    run = json.loads((project.path / "x.json").read_text())
    assert [one["name"] for one in run["benchmarks"]] == [bench.name]


def test_torch_is_not_imported_for_a_project_without_it(project):
    """Neither where tests are collected nor in the fresh interpreter, even by `measure`."""
    project.makepyfile("""
        import sys

        def test_light(measure):
            measure(int)

        def test_torch(measure):
            measure(int)
            assert "torch" not in sys.modules
    """)
    program = (
        "import sys, pytest;"
        f"code = pytest.main({[*QUICK, '--hpml-processes=1']!r});"
        "sys.exit('torch' in sys.modules or code)"
    )
    assert project.run(sys.executable, "-c", program).ret == 0


def test_tests_run_without_pytest_benchmark_too(project):
    """There is nothing to merge then; the reports are there."""
    project.makepyfile("def test_plain(): pass")
    result = project.runpytest_inprocess("-p", "no:benchmark", "--hpml-processes=2")
    result.assert_outcomes(passed=1)
