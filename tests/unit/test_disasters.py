"""What is left of a run in which interpreters die: one run, looked at from all sides."""

import os
import re
import subprocess
import sys
import textwrap
from collections import Counter
from xml.etree import ElementTree

import pytest

from hpml_lab.pytest_plugin.schedule import shuffled
from hpml_lab.runs.reading import read_run
from hpml_lab.runs.schema import Failure

pytestmark = pytest.mark.slow

# A test's second time, over all interpreters, is in the second process.
DISASTERS = """
    import ctypes
    import os
    import signal
    import threading
    import warnings
    from pathlib import Path

    import pytest

    def times(name):
        with Path(f"{name}.times").open("a") as file:
            print(file=file)
        return len(Path(f"{name}.times").read_text())

    def here(name):
        with Path("interpreters").open("a") as file:
            print(name, os.getpid(), file=file)

    @pytest.mark.parametrize("n", [1, 2])
    def test_sound(measure, tmp_path, n):
        here("shared")
        (tmp_path / "file").touch()
        measure(lambda: n)

    def test_stock(benchmark):
        benchmark(int)

    @pytest.mark.hpml_alone
    def test_alone(measure):
        here("alone")
        measure(int)

    def test_plain():
        warnings.warn("watch out")

    def test_skipped(measure):
        measure(int)
        pytest.skip("not today")

    def test_killed(measure):
        measure(int)
        if times("killed") == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    def test_orphaning(measure):
        measure(int)
        if times("orphaning") == 2:
            if os.fork() == 0:  # as a loader's worker is
                threading.Event().wait()
            os.kill(os.getpid(), signal.SIGKILL)

    def test_segfault(measure):
        measure(int)
        if times("segfault") == 2:
            ctypes.string_at(0)

    def test_leaving(measure):
        measure(int)
        if times("leaving") == 2:
            os._exit(5)

    def test_hanging(measure):
        measure(int)
        if times("hanging") == 2:
            threading.Event().wait()

    def test_failing(measure):
        measure(int)
        assert times("failing") != 2, "no luck"

    def test_memory(measure):
        measure(int)
        if times("memory") == 2:
            raise MemoryError

    def test_never(measure):
        measure(int)
        ctypes.string_at(0)
"""
DIED = {
    "test_killed": ("crashed", "killed by SIGKILL"),
    "test_orphaning": ("crashed", "killed by SIGKILL"),
    "test_segfault": ("crashed", "killed by SIGSEGV"),
    "test_leaving": ("crashed", "the interpreter left with status 5"),
    "test_hanging": ("timeout", "no end within 5.00 s"),
    "test_failing": ("failed", "AssertionError: no luck"),
    "test_memory": ("out-of-memory", "MemoryError"),
}
SOUND = ["test_sound[1]", "test_sound[2]", "test_stock", "test_alone"]


class Disaster:
    """A run of `DISASTERS` in three processes, and what is left of it."""

    def __init__(self, folder):
        (folder / "test_d.py").write_text(textwrap.dedent(DISASTERS))
        self.folder = folder
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HPML_")}
        environment["HPML_QUIET_WAIT"] = "0"
        self.done = subprocess.run(
            [
                sys.executable, "-m", "pytest", "--benchmark-max-time=0.01",
                "--benchmark-min-rounds=3", "--hpml-case-timeout=5", "--hpml-seed=3",
                "--hpml-processes=3", "--benchmark-save=d", "--junitxml=junit.xml",
                "--basetemp=temporary", "-p", "no:cacheprovider",
            ],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        (self.file,) = folder.glob(".benchmarks/*/*.json")
        self.run = read_run(self.file)
        self.ours = {bench.name: bench.measurement for bench in self.run.benchmarks}

    @property
    def progress(self):
        """Process, test and outcome of each line of progress."""
        line = r"^\[\d+/\d+\] process (\d): test_d.py::(\S+) \.\.\. (.+?) in "
        return re.findall(line, self.done.stdout, re.MULTILINE)


@pytest.fixture(scope="module")
def disaster(tmp_path_factory):
    """The one run that the tests below look at."""
    return Disaster(tmp_path_factory.mktemp("disaster"))


def test_everything_else_is_in_the_saved_run(disaster):
    """Each sound case has rounds of three processes; the tests that failed make the run fail."""
    for name in SOUND:
        assert [len(rounds) >= 3 for rounds in disaster.ours[name].processes] == [True] * 3
        assert disaster.ours[name].failures == []
    assert disaster.done.returncode == 1


@pytest.mark.parametrize("name", DIED)
def test_a_process_that_fails_costs_its_current_case_only(disaster, name):
    """The case has the rounds of the first and the third process, and why there are no others."""
    assert [len(rounds) >= 3 for rounds in disaster.ours[name].processes] == [True, False, True]
    (failure,) = disaster.ours[name].failures
    assert (failure.process, failure.kind, failure.message) == (2, *DIED[name])


def test_a_case_that_always_fails_is_recorded_without_a_benchmark(disaster):
    """Its three failures stand beside the benchmarks."""
    failures = [
        Failure(process=process, kind="crashed", message="killed by SIGSEGV", signal="SIGSEGV")
        for process in (1, 2, 3)
    ]
    assert disaster.run.hpml.unmeasured == {"test_d.py::test_never": failures}
    assert set(disaster.ours) == {*SOUND, *DIED}


def test_stock_statistics_are_over_all_rounds(disaster):
    """Rounds, smallest and largest are those of all processes together."""
    for bench in disaster.run.benchmarks:
        rounds = [second for one in bench.measurement.processes for second in one]
        assert bench.stats.rounds == len(rounds)
        assert (bench.stats.min, bench.stats.max) == (min(rounds), max(rounds))


def test_stock_tools_read_the_run(disaster):
    """pytest-benchmark's own command lists every case."""
    command = [sys.executable, "-m", "pytest_benchmark", "compare", "--columns=median"]
    done = subprocess.run(command, cwd=disaster.folder, capture_output=True, text=True, check=True)
    assert {name for name in (*SOUND, *DIED) if name in done.stdout} == {*SOUND, *DIED}


def test_junit_lists_each_case_once(disaster):
    """One entry a test, however many processes ran it, and the failed ones marked."""
    cases = ElementTree.parse(disaster.folder / "junit.xml").findall(".//testcase")  # noqa: S314
    assert Counter(case.get("name") for case in cases) == Counter(
        [*SOUND, *DIED, "test_never", "test_plain", "test_skipped"]
    )
    failed = {case.get("name") for case in cases if case.find("failure") is not None}
    assert failed == {*DIED, "test_never"}


def test_the_summary_counts_each_case_once(disaster):
    """As pytest does: eight failed, five passed, one skipped."""
    assert "8 failed, 5 passed, 1 skipped" in disaster.done.stdout.splitlines()[-1]


def test_where_it_hung_is_shown(disaster):
    """The stack of the hanging test is in its report, and in which process it was."""
    (report,) = re.findall(r"__ test_hanging __.+?\n__", disaster.done.stdout, re.DOTALL)
    assert re.search(r'test_d.py", line \d+ in test_hanging', report)
    assert "process 2 of 3: timeout: no end within 5.00 s" in report


def test_a_warning_is_shown_once(disaster):
    """What a test warned of in a fresh interpreter is in pytest's summary."""
    assert disaster.done.stdout.count("Warning: watch out") == 1


def test_the_order_is_shuffled_by_the_recorded_seed(disaster):
    """Every process has the order that the seed gives, and no two have the same."""
    assert (disaster.run.hpml.processes, disaster.run.hpml.seed) == (3, 3)
    orders = []
    for process in (1, 2, 3):
        ran = [name for number, name, _ in disaster.progress if number == str(process)]
        assert ran[-1] == "test_alone"
        nodeids = [f"test_d.py::{name}" for name in ran[:-1]]
        assert nodeids == shuffled(nodeids, 3, process)
        orders.append([name for name in ran if name != "test_plain"])
    assert len({tuple(order) for order in orders}) == 3


def test_a_plain_test_runs_in_the_first_process_alone(disaster):
    """What measures nothing learns nothing from a second process."""
    assert [number for number, name, _ in disaster.progress if name == "test_plain"] == ["1"]


def test_a_case_that_is_to_be_alone_shares_its_interpreter_with_none(disaster):
    """Three processes: three interpreters for the others at least, three for this one."""
    lines = [line.split() for line in (disaster.folder / "interpreters").read_text().splitlines()]
    alone = {pid for name, pid in lines if name == "alone"}
    shared = {pid for name, pid in lines if name == "shared"}
    assert len(alone) == 3
    assert not alone & shared


def test_progress_is_over_all_processes(disaster):
    """3 x 13 cases and a plain test: 40 lines, counted on, each with how it went."""
    numbers = re.findall(r"^\[(\d+)/40\]", disaster.done.stdout, re.MULTILINE)
    assert [int(number) for number in numbers] == list(range(1, 41))
    outcomes = {name: outcome for number, name, outcome in disaster.progress if number == "2"}
    assert outcomes["test_hanging"] == "timeout (no end within 5.00 s)"
    assert outcomes["test_killed"] == "crashed (killed by SIGKILL)"
    assert outcomes["test_failing"] == "failed"
    assert outcomes["test_memory"] == "out-of-memory"
    assert outcomes["test_skipped"] == "skipped"
