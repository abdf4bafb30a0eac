"""Runs that die as a whole, and the runs that go on with them."""

import json
import re
import signal
import subprocess
import sys

import pytest

from hpml_lab.runs.journal import is_held, journals, read_journal
from hpml_lab.runs.reading import read_run
from hpml_lab.runs.recovery import recover
from support.runs import saved_in

pytestmark = pytest.mark.integration

QUICK = ["--benchmark-max-time=0.01", "--benchmark-min-rounds=3", "-p", "no:cacheprovider"]
SAVED = [*QUICK, "--hpml-processes=2", "--benchmark-save=x"]
# The fourth of the six times that a test runs, over all interpreters, is the end of the run.
DYING = """
    import os
    import signal
    from pathlib import Path

    import pytest

    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_a(measure, n):
        measure(int)
        with Path("times").open("a") as file:
            print(n, file=file)
        if len(Path("times").read_text().split()) == 4:
            os.kill(os.getppid(), signal.{signal})
            signal.pause()
"""


def dying(project, signal="SIGKILL"):
    """Runs a project that dies in its fourth case; returns the journal that is left."""
    project.makepyfile(test_d=DYING.format(signal=signal))
    project.runpytest_subprocess(*SAVED)
    (journal,) = journals(folder(project))
    return journal


def folder(project):
    """Returns the machine's folder of a project."""
    (outcome,) = project.path.glob(".benchmarks/*")
    return outcome


def counts(run):
    """Returns by name of a case in which processes it has rounds."""
    return {
        bench.name: [len(rounds) >= 3 for rounds in bench.measurement.processes]
        for bench in run.benchmarks
    }


WHOLE = {f"test_a[{n}]": [True, True] for n in (1, 2, 3)}


def test_a_run_that_was_killed_is_gone_on_with(project):
    """Three cases are in its journal; the other three are measured, and one run holds all six."""
    journal = dying(project)
    assert not is_held(journal)
    contents = read_journal(journal)
    assert {name: [e.process for e in es] for name, es in contents.endings.items()} == {
        f"test_d.py::test_a[{n}]": [1] for n in (1, 2, 3)
    }
    result = project.runpytest_inprocess(*SAVED, "--hpml-resume")
    result.assert_outcomes(passed=3)
    assert len(result.stdout.str().split(" process 2: ")) == 4
    assert " process 1: " not in result.stdout.str()
    (run,) = saved_in(project.path)
    assert counts(run) == WHOLE
    assert (run.hpml.missing, run.hpml.journal, len(run.hpml.resumed)) == ({}, journal.name, 1)
    first = read_run_of(contents, "test_d.py::test_a[1]")
    assert run.benchmarks[0].measurement.processes[0] == first
    assert journals(folder(project)) == []
    again = project.runpytest_inprocess(*SAVED, "--hpml-resume")
    assert again.ret == 4
    again.stderr.fnmatch_lines(["ERROR: --hpml-resume: no unfinished run under *; leave out *"])


def read_run_of(contents, nodeid):
    """Returns the rounds that a journal has of a test's first process."""
    return contents.endings[nodeid][0].benchmark["stats"]["data"]


@pytest.mark.slow
def test_a_run_that_was_killed_can_be_saved(project):
    """What `recover` saves is what a normal end saves of the same cases, field by field."""
    journal = dying(project)
    text = journal.read_bytes()
    recovered = json.loads(recover(journal).read_text())
    journal.write_bytes(text)
    project.makepyfile(test_d="def test_a(): pass")  # other code: nothing goes on with it
    done = project.runpytest_inprocess(*SAVED, "--hpml-resume")
    assert done.ret == 4
    done.stderr.fnmatch_lines(
        ["*digest of changes and tests: recorded *; recorded tests that are*"]
    )
    assert recovered["hpml"]["missing"] == {f"test_d.py::test_a[{n}]": [2] for n in (1, 2, 3)}
    project.makepyfile(test_d=DYING.format(signal="SIGKILL"))
    (project.path / "times").write_text("5 " * 5)
    project.runpytest_inprocess(*SAVED, "--hpml-resume").assert_outcomes(passed=3)
    whole = json.loads((folder(project) / "0002_x.json").read_text())
    assert set(recovered) == set(whole)
    assert set(recovered["machine_info"]) == set(whole["machine_info"])
    assert recovered["commit_info"].keys() == whole["commit_info"].keys()
    for ours, theirs in zip(recovered["benchmarks"], whole["benchmarks"], strict=True):
        assert set(ours) == set(theirs)
        assert set(ours["stats"]) == set(theirs["stats"])
        assert ours["fullname"] == theirs["fullname"]
        one, both = (entry["extra_info"]["hpml"]["processes"] for entry in (ours, theirs))
        assert one == [both[0], []]
    compared = project.run(sys.executable, "-m", "pytest_benchmark", "compare", "--columns=median")
    compared.stdout.fnmatch_lines(["*test_a*0001_x*"])


@pytest.mark.slow
def test_an_interrupted_run_is_saved_and_can_be_gone_on_with(project):
    """SIGTERM saves what has ended as an incomplete run; later a complete one is saved too."""
    project.makepyfile(test_d=DYING.format(signal="SIGTERM"))
    result = project.runpytest_subprocess(*SAVED)
    assert result.ret == 2
    result.stdout.fnmatch_lines(["Unfinished: the same command with --hpml-resume goes on *"])
    (part,) = saved_in(project.path)
    assert part.hpml.missing == {f"test_d.py::test_a[{n}]": [2] for n in (1, 2, 3)}
    project.runpytest_inprocess(*SAVED, "--hpml-resume").assert_outcomes(passed=3)
    _, run = saved_in(project.path)
    assert counts(run) == WHOLE
    assert journals(folder(project)) == []


@pytest.mark.slow
def test_resuming_something_else_says_what_differs(project):
    """Another seed, another selection: usage errors with both values, and nothing is lost."""
    journal = dying(project)
    before = journal.read_bytes()
    for options, said in [
        (["--hpml-seed=5"], "seed: recorded 0, now 5; run what was recorded, or save *"),
        (["-k", "2 or 3"], "recorded tests that are not selected: 'test_d.py::test_a[[]1[]]'; *"),
        (["--hpml-profile=full"], "profile: recorded '', now 'full'; *"),
        (["--benchmark-min-rounds=4"], "min_rounds: recorded '3', now '4'; *"),
    ]:
        result = project.runpytest_inprocess(*SAVED, *options, "--hpml-resume")
        assert result.ret == 4
        line = (
            f"ERROR: --hpml-resume: the unfinished run * is another one: {said}hpml-lab recover *"
        )
        result.stderr.fnmatch_lines([line])
    assert journal.read_bytes() == before
    assert saved_in(project.path) == []


def test_resuming_without_saving_is_refused(project, monkeypatch):
    """As an option; in the environment it is there for runs that save."""
    project.makepyfile("def test_a(benchmark): benchmark(int)")
    result = project.runpytest_inprocess("--hpml-resume")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --hpml-resume continues a saved run; add *"])
    monkeypatch.setenv("HPML_RESUME", "true")
    project.runpytest_inprocess().assert_outcomes(passed=1)


@pytest.mark.slow
def test_a_run_that_ends_leaves_no_journal(project):
    """Saved, written to a file, stopped at the first failure, or without a result."""
    project.makepyfile("""
        import pytest

        @pytest.mark.parametrize("n", [1, 2])
        def test_a(measure, n):
            measure(int)
            assert n == 1
    """)
    for options in (
        ["--benchmark-save=x"],
        ["--benchmark-json=x.json"],
        ["--benchmark-save=y", "-x"],
        ["--benchmark-save=z", "-k", "2"],
    ):
        project.runpytest_inprocess(*QUICK, "--hpml-processes=1", *options)
        assert journals(folder(project)) == []
    assert read_run(project.path / "x.json").hpml.missing == {}
    assert [run.hpml.processes for run in saved_in(project.path)] == [1, 1]


@pytest.mark.slow
def test_nothing_goes_on_behind_a_parent_that_was_killed(project):
    """Its interpreter dies with it, in the middle of a case: who measures next is alone."""
    dying(project)
    ended = (project.path / "times").read_text().split()
    assert len(ended) == 4  # the fourth waits for a signal, and would wait still
    outcome = subprocess.run(
        ["pgrep", "-f", f"{project.path}"], capture_output=True, text=True, check=False
    )
    assert outcome.stdout == ""


def test_the_next_case_waits_until_the_last_one_is_kept(project):
    """Whenever a case begins, the journal holds all that ended before."""
    project.makepyfile("""
        import json
        from pathlib import Path

        import pytest

        @pytest.mark.parametrize("n", range(5))
        def test_a(measure, n):
            (journal,) = Path(".benchmarks").glob("*/.journal-*")
            lines = journal.read_text().splitlines()[1:]
            begun = Path("begun")
            before = begun.read_text().split() if begun.exists() else []
            assert [json.loads(line)["nodeid"][-2] for line in lines] == before
            begun.write_text(" ".join([*before, str(n)]))
            measure(int)
    """)
    project.runpytest_inprocess(*SAVED).assert_outcomes(passed=5)


FULL = """
import errno, os, sys
import pytest
from hpml_lab.runs import journal

real, room = os.write, iter({room})

def write(descriptor, data):
    if next(room, None) is None:
        raise OSError(errno.ENOSPC, "No space left on device")
    return real(descriptor, data)

journal.os = type("os", (), dict(vars(os), write=staticmethod(write)))
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("room", "kept"), [("range(3)", 2), ("()", None)])
def test_a_disk_that_fills_up_is_one_line(project, room, kept):
    """What ended before is in the journal, and nothing is saved; later the run is gone on with."""
    project.makepyfile("""
        import pytest

        @pytest.mark.parametrize("n", [1, 2, 3])
        def test_a(measure, n):
            measure(int)
    """)
    (project.path / "full.py").write_text(FULL.format(room=room))
    result = project.run(sys.executable, "full.py", *SAVED)
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert saved_in(project.path) == []
    if kept is None:
        assert result.ret == 4
        line = "ERROR: no journal can be written under *: No space left on device; nothing was *"
        result.stderr.fnmatch_lines([line])
        assert journals(folder(project)) == []
        return
    assert result.ret == 1
    line = (
        r"!+ _pytest.outcomes.Exit: the journal cannot be written: No space left on device; .+ !+"
    )
    assert re.search(line, result.stdout.str())
    (journal,) = journals(folder(project))
    assert sum(map(len, read_journal(journal).endings.values())) == kept
    project.runpytest_inprocess(*SAVED, "--hpml-resume").assert_outcomes(passed=3)
    assert counts(saved_in(project.path)[0]) == WHOLE


@pytest.mark.slow
def test_a_run_that_cannot_be_saved_says_how_to_recover_it(project, monkeypatch):
    """Its journal is complete, so the command that is named saves all of it."""

    def full(_run, _folder, _name):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hpml_lab.pytest_plugin.session.save_run", full)
    project.makepyfile("def test_a(measure): measure(int)")
    result = project.runpytest_inprocess(*SAVED)
    line = "Exit: the run could not be saved under *: No space left on device; free space, then *"
    result.stderr.fnmatch_lines([line])
    (command,) = re.findall(r"hpml-lab recover (\S+)", result.stderr.str())
    monkeypatch.undo()
    (journal,) = journals(folder(project))
    assert str(journal) == command
    assert read_run(recover(journal)).hpml.missing == {}


@pytest.mark.slow
def test_a_file_that_cannot_be_written_is_one_line(project):
    """--benchmark-json into a folder that is not there leaves the journal, which can be saved."""
    project.makepyfile("def test_a(measure): measure(int)")
    path = project.path / "gone" / "run.json"
    path.parent.mkdir()
    project.makeconftest(f"""
        import shutil

        def pytest_collection_finish(session):
            if not hasattr(session.config, "workerinput"):
                shutil.rmtree({str(path.parent)!r})
    """)
    result = project.runpytest_subprocess(*QUICK, "--hpml-processes=1", f"--benchmark-json={path}")
    result.stderr.fnmatch_lines(["Exit: the run could not be written to *: No such file or *"])
    (journal,) = journals(folder(project))
    assert recover(journal).name == "0001_recovered.json"


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_killed_with_its_interpreters_has_no_failure_of_it(project, sent):
    """Whoever kills both may kill the interpreter first; its case is measured when resumed."""
    journal = dying(project)
    text = journal.read_text()
    lost = {
        "nodeid": "test_d.py::test_a[1]",
        "ending": {
            "process": 2, "reports": [], "benchmark": None, "log": "", "duration_s": 0.1,
            "failure": {
                "process": 2, "kind": "crashed", "message": "killed",
                "signal": signal.Signals(sent).name,
            },
        },
    }  # fmt: skip
    journal.write_text(text + json.dumps(lost) + "\n")
    project.runpytest_inprocess(*SAVED, "--hpml-resume").assert_outcomes(passed=3)
    assert counts(saved_in(project.path)[0]) == WHOLE


@pytest.mark.slow
def test_a_process_of_a_comparison_keeps_no_journal(project, monkeypatch):
    """`hpml-lab ab` repeats a process that died; one with a test that must be alone is whole."""
    project.makepyfile("""
        import pytest

        @pytest.mark.hpml_alone
        def test_a(measure):
            measure(int)
    """)
    job = {"pair": 1, "seed": 0, "settled": [], "tree": str(project.path), "other": None}
    job["turns"] = str(project.path / "turns")
    (project.path / "job").write_text(json.dumps(job))
    monkeypatch.setenv("HPML_PAIR", str(project.path / "job"))
    options = ["--hpml-processes=1", "--benchmark-json=x.json"]
    project.runpytest_subprocess(*QUICK, *options).assert_outcomes(passed=1)
    assert len(json.loads((project.path / "x.json").read_text())["benchmarks"]) == 1
    assert [*project.path.glob(".benchmarks/*/.journal-*")] == []
