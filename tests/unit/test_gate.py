"""The gate from outside: pytest runs on small projects, on a simulated clock."""

import json
import xml.etree.ElementTree as ET

import pytest

from support.clocks import CONFTEST
from support.runs import machine_info, plant, rounds_of, run_json, stock_json

pytestmark = pytest.mark.integration

QUICK = ["--benchmark-max-time=0.2", "--benchmark-quiet", "-p", "no:hypothesispytest"]
TWO = """
    def test_a(measure, work):
        measure(work(0.010))

    def test_b(measure, work):
        measure(work(0.020))
"""
BOTH = {"test_t.py::test_a": rounds_of(0.010), "test_t.py::test_b": rounds_of(0.020)}
SLOWER = BOTH | {"test_t.py::test_b": rounds_of(0.016)}  # so that today's 20 ms are 25 % more


@pytest.fixture
def project(project, monkeypatch):
    """A project with two cases on a simulated clock."""
    project.makeconftest(CONFTEST)
    project.makepyfile(test_t=TWO)
    monkeypatch.setenv("COLUMNS", "300")  # so that no reason is cut short
    return project


def storage(project):
    """Returns the folder of the project's saved runs."""
    return project.path / ".benchmarks"


def gate(project, baseline, *arguments, processes=3):
    """Runs the project against a baseline."""
    wanted = [f"--hpml-gate={baseline}", f"--hpml-processes={processes}"]
    return project.runpytest_inprocess(*QUICK, *wanted, *arguments)


def test_the_same_times_pass(project):
    """Both cases are judged in three processes, and nothing is saved."""
    plant(storage(project), "0001_main", run_json(BOTH))
    result = project.runpytest_inprocess(*QUICK, "--hpml-gate=main")
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*gate=main*", "Baseline: *0001_main.json", "Passes."])
    result.stdout.fnmatch_lines(["*process 3: test_t.py::test_?*"])
    assert len(list(storage(project).rglob("*.json"))) == 1


def test_a_slower_case_fails_the_run_by_its_id(project):
    """On the terminal, in JUnit, and by exit status 1; the other case does not."""
    plant(storage(project), "0001_main", run_json(SLOWER))
    result = gate(project, "main", "--junitxml=junit.xml")
    assert result.ret == 1
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "Fails: 1 case regressed.",
            "Regressed: 1 case",
            "test_b *+25.0 %*",
            "FAILED test_t.py::test_b*",
        ]
    )
    assert "FAILED test_t.py::test_a" not in result.stdout.str()
    suite = ET.parse(project.path / "junit.xml").getroot().find("testsuite")  # noqa: S314 (ours)
    assert suite.get("failures") == "1"
    (failed,) = [case for case in suite if case.find("failure") is not None]
    assert (failed.get("classname"), failed.get("name")) == ("test_t", "test_b")
    assert failed.find("failure").text.startswith("regressed: slower by +25.0%")


def test_a_counter_that_rose_fails_the_run(project):
    """However little, and whatever the times say."""
    project.makepyfile(
        test_t="""
        def test_a(measure, work):
            measure(work(0.010))
            measure.counters["operators"] = 11
    """
    )
    case = {"test_t.py::test_a": rounds_of(0.010)}
    location = machine_info(software=software())
    plant(storage(project), "0001_x", run_json(case, counters={"operators": 10}, machine=location))
    result = gate(project, "x", processes=2)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*test_a*counter operators regressed: 10 -> 11*"])


def software():
    """Returns this machine's software as a run records it."""
    from hpml_lab.measure.fingerprint import software

    return software([])


def test_a_renamed_test_fails_and_its_new_name_is_suggested(project):
    """Even with -k, which may not have meant the old name."""
    old = {"test_t.py::test_a": BOTH["test_t.py::test_a"], "test_t.py::test_bb": rounds_of(0.02)}
    plant(storage(project), "0001_main", run_json(old))
    result = gate(project, "main", "-k", "test_a or test_b", processes=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAILED test_t.py::test_bb*missing*test_t.py::test_b may be*"])


@pytest.mark.parametrize(
    "selection",
    [["-k", "test_a"], ["test_t.py::test_a"], ["--deselect", "test_t.py::test_b"], ["-m", "not s"]],
)
def test_what_is_not_selected_is_not_missing(project, selection):
    """By expression, id, option or marker; nor what is in a file that is not named."""
    body = TWO.replace("    def test_b", "    @pytest.mark.s\n    def test_b")
    project.makepyfile(test_t=f"    import pytest\n{body}")
    project.makeini("[pytest]\nmarkers = s: slow")
    other = {"test_other.py::test_c": rounds_of(0.010)}
    in_files = [*selection] if "::" in selection[0] else ["test_t.py", *selection]
    plant(storage(project), "0001_main", run_json(SLOWER | other))
    assert gate(project, "main", *in_files, processes=2).ret == 0


def test_a_parameter_that_is_gone_is_missing_by_id_too(project):
    """Whoever selects a test selects all its cases."""
    gone = {"test_t.py::test_a[3]": rounds_of(0.010)}
    plant(storage(project), "0001_main", run_json(BOTH | gone))
    result = gate(project, "main", "test_t.py::test_a", processes=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAILED test_t.py::test_a[[]3]*missing*"])


@pytest.mark.parametrize(
    ("cases", "selection"),
    [
        ({"test_t.py::test_old": rounds_of(0.01)}, ["test_t.py::test_a"]),
        (BOTH, ["-k", "nothing"]),
        ({name: rounds[:1] for name, rounds in BOTH.items()}, ["test_t.py"]),
    ],
)
def test_a_gate_that_judges_nothing_fails(project, cases, selection):
    """No case in common, nothing selected, or a baseline of one process."""
    plant(storage(project), "0001_main", run_json(cases))
    result = gate(project, "main", *selection, "--junitxml=junit.xml", processes=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAILED hpml-gate - nothing was judged: *"])
    assert "nothing was judged" in (project.path / "junit.xml").read_text()


def test_skipped_cases_fail_the_gate(project):
    """All or one: each is missing, with the reason of its skip."""
    project.makepyfile(
        test_t="""
        import pytest

        @pytest.mark.skip(reason="no such device")
        def test_a(measure):
            measure(int)

        def test_b(measure):
            pytest.skip("not today")
    """
    )
    plant(storage(project), "0001_main", run_json(BOTH))
    result = gate(project, "main", processes=1)
    assert result.ret == 1
    for name, reason in (("a", "no such device"), ("b", "not today")):
        line = f"FAILED test_t.py::test_{name} - missing: skipped in this run: {reason}"
        result.stdout.fnmatch_lines([line])


def test_a_case_that_fails_is_missing(project):
    """The test's own failure and the gate's are both there."""
    project.makepyfile(test_t=TWO + "        assert False")
    plant(storage(project), "0001_main", run_json(BOTH))
    result = gate(project, "main", processes=1)
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hpml-gate=gone.json"], "no file 'gone.json'; * has 1, the latest: 0001_main"),
        (["--hpml-gate="], "--hpml-gate names no baseline; *"),
        (["--hpml-gate=7"], "no baseline '7' is a file, number, name * here (git *)*; *"),
        (["--hpml-gate=main", "--benchmark-disable"], "--hpml-gate needs benchmarks that run; *"),
        (["--hpml-gate=main", "--benchmark-skip"], "--hpml-gate needs benchmarks that run; *"),
        (["--hpml-gate=main", "--collect-only"], "--hpml-gate runs the tests; leave out *"),
        (["--hpml-gate=bad.json"], "run file *bad.json' is not a saved run: *"),
        (["--hpml-gate=nan.json"], "run file *nan.json' is not a saved run: *"),
        (["--hpml-gate=empty.json"], "baseline *empty.json' holds no case; *"),
        (["--hpml-gate=other.json"], "baseline *other.json' is of machine 'elsewhere', this one *"),
    ],
)
def test_a_gate_that_cannot_judge_ends_before_it_measures(project, arguments, message):
    """Exit status 4 and one line that says what to do."""
    plant(storage(project), "0001_main", run_json(BOTH))
    (project.path / "bad.json").write_text("[" * 10_000)
    (project.path / "nan.json").write_text(json.dumps(run_json({"a": [[float("nan")]]})))
    (project.path / "empty.json").write_text(json.dumps(run_json({})))
    other = run_json(BOTH, machine=machine_info(id="elsewhere"))
    (project.path / "other.json").write_text(json.dumps(other))
    result = project.runpytest_inprocess(*QUICK, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])
    assert not list(project.path.glob("*.times"))


def test_a_gate_without_pytest_benchmark_is_refused(project):
    """Nothing could be measured."""
    result = project.runpytest_inprocess("-p", "no:benchmark", "--hpml-gate=main")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --hpml-gate needs benchmarks that run; *"])


@pytest.mark.parametrize("where", ["ini", "environment"])
def test_the_gate_can_be_set_elsewhere(project, monkeypatch, where):
    """By ini value and by environment; an empty variable is no way to pass."""
    plant(storage(project), "0001_main", run_json(SLOWER))
    if where == "ini":
        project.makeini("[pytest]\nhpml_gate = latest")
    else:
        monkeypatch.setenv("HPML_GATE", "latest")
    assert project.runpytest_inprocess(*QUICK, "--hpml-processes=2").ret == 1
    if where == "environment":
        monkeypatch.setenv("HPML_GATE", "")
        assert project.runpytest_inprocess(*QUICK).ret == pytest.ExitCode.USAGE_ERROR


def test_a_run_can_be_gated_and_saved(project):
    """The baseline is what was latest before; the next gate compares with the new one."""
    plant(storage(project), "0001_main", run_json(SLOWER))
    result = gate(project, "latest", "--benchmark-save=now")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["Baseline: *0001_main.json"])
    assert gate(project, "latest").ret == 0


def test_a_run_that_is_stopped_is_not_judged(project):
    """By -x: the gate says so, and the status is that of the failure."""
    project.makepyfile(test_t=TWO.replace("measure(work(0.010))", "assert False"))
    plant(storage(project), "0001_main", run_json(BOTH))
    result = gate(project, "main", "-x", processes=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["Not judged: the run was stopped. It has not passed."])


def test_a_job_of_github_gets_summary_and_places(project, monkeypatch):
    """Markdown in the summary, an annotation at the test's line, and a table of text only."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.path))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))
    planted = "test_t.py::test_x\n::set-env name=A::b"
    plant(storage(project), "0001_main", run_json(SLOWER | {planted: rounds_of(0.01)}))
    result = gate(project, "main")
    lines = result.stdout.lines
    (place,) = [line for line in lines if line.startswith("::error ") and "test_b" in line]
    assert place.startswith(
        "::error title=Performance gate,file=test_t.py,line=4::test_t.py::test_b"
    )
    commands = [line.partition(" ")[0] for line in lines if line.lstrip().startswith("::")]
    (token,) = {line.removeprefix("::stop-commands::") for line in commands if "stop-c" in line}
    assert set(commands) == {f"::stop-commands::{token}", f"::{token}::", "::error"}
    assert not any("\n::set-env" in text for text in (result.stdout.str(), result.stderr.str()))
    assert "### Performance gate: failed" in (project.path / "summary.md").read_text()


def test_a_file_that_is_gone_is_missing(project):
    """Without a selection every case of the baseline is meant."""
    other = {"test_other.py::test_c": rounds_of(0.010)}
    plant(storage(project), "0001_main", run_json(BOTH | other))
    result = gate(project, "main", processes=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAILED test_other.py::test_c*missing*"])


def stock_file(project, name, cpu, folder="."):
    """Saves a run as the stock plugin does, of a machine with a processor of that name."""
    info = {"cpu": {"brand_raw": cpu}, "python_implementation": "CPython"}
    run = stock_json({"test_t.py::test_a": 0.010, "test_t.py::test_b": 0.020}, machine_info=info)
    path = project.path / folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run))
    return path


def test_a_stock_baseline_of_another_machine_is_refused(project):
    """Its file names the processor; nothing is measured."""
    stock_file(project, "other", "Some Other Processor")
    project.makepyfile(test_t=TWO)
    result = project.runpytest_inprocess(*QUICK, "--hpml-gate=other.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: baseline *other.json' is not of this machine (other machines: cpu 'Some Other *"]
    )


@pytest.mark.parametrize("left_out", ["--ignore-glob=*test_u.py", "--ignore=test_u.py", "conftest"])
def test_a_file_that_collection_leaves_out_is_not_missing(project, left_out):
    """By an option or by a conftest; another file that is not there is missed."""
    cases = {"test_t.py::test_a": rounds_of(0.010), "test_u.py::test_b": rounds_of(0.010)}
    plant(storage(project), "0001_main", run_json(cases))
    project.makepyfile(test_t="def test_a(measure, work):\n    measure(work(0.010))")
    project.makepyfile(test_u="def test_b(measure, work):\n    measure(work(0.010))")
    options = [left_out]
    if left_out == "conftest":
        path = project.path / "conftest.py"
        path.write_text(path.read_text() + "\ncollect_ignore = ['test_u.py']\n")
        options = []
    result = project.runpytest_inprocess(*QUICK, "--hpml-gate=main", *options)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["Passes.", "1 case: 1 unchanged. *"])
