"""A small suite that is killed at a moment of its run, and what is left of it."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hpml_lab.runs.journal import journals, read_journal
from support.runs import saved_in

CASES, PROCESSES = 5, 2
SUITE = f"""
    import os
    import time

    import pytest

    def spin():
        began_s = time.perf_counter()
        while time.perf_counter() < began_s + 0.02:
            pass

    @pytest.mark.parametrize("n", range({CASES}))
    def test_a(benchmark, request, n):
        benchmark.pedantic(spin, rounds=4)
        process = request.config.workerinput["workerid"]
        witness = os.open("witness", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(witness, f"{{n}} {{process[-1]}} {{time.time_ns()}}\\n".encode())
        os.close(witness)  # the last act
"""
# The machine's record takes torch and a second of looking at the processor, and is none of this.
LIGHT = """
    import sys
    import types

    from hpml_lab.measure import fingerprint

    def machine_record(before, ceilings):
        state = vars(fingerprint.State(load_1min=0.0, cpu_mhz=None, governor=None))
        return {
            "id": "m", "identity": {
                "cpu": "c", "cpu_count": 1, "memory_gib": 1, "gpu": None, "gpu_count": 0,
                "gpu_memory_gib": 0, "mig": False,
            },
            "unit": {"host": "h"}, "software": {}, "ceilings": {},
            "state": {name: state for name in ("before", "after")},
        }

    fingerprint.machine_record = machine_record
    fingerprint.identity = lambda: types.SimpleNamespace(id="m")
    ceilings = sys.modules["hpml_lab.measure.ceilings"] = types.ModuleType("ceilings")
    ceilings.ceilings = lambda announce: {}

    def pytest_benchmark_generate_machine_info(config):
        return {"node": "h"}
"""
COMMAND = [
    sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--benchmark-save=x",
    f"--hpml-processes={PROCESSES}",
]  # fmt: skip
ALL = {(n, process) for n in range(CASES) for process in range(1, PROCESSES + 1)}


@dataclass
class Trial:
    """What a run left that was killed.

    Attributes:
        bodies: cases and processes whose test had come to its last line.
        passed: those of which the terminal had said so.
        kept: those in the journal, or in the saved run.
    """

    bodies: set[tuple[int, int]]
    passed: set[tuple[int, int]]
    kept: set[tuple[int, int]]


def project(folder, suite=SUITE):
    """Makes the project of a trial."""
    for name, text in (("test_k.py", suite), ("conftest.py", LIGHT)):
        lines = text.strip("\n").splitlines()
        (folder / name).write_text("\n".join(line[4:] for line in lines) + "\n")


def start(folder, *options):
    """Starts a run in a session of its own, as a batch system does."""
    with (folder / "output").open("a") as output:
        return subprocess.Popen(
            [*COMMAND, *options], cwd=folder, stdout=output, stderr=output, start_new_session=True
        )


def children(pid):
    """Returns the ids of a process's children."""
    result = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in result.read_text().split()] if result.exists() else []


def killed(folder, after_s, *, children_first):
    """Runs a project, kills it after some seconds, and returns what is left."""
    run = start(folder)
    try:
        run.wait(after_s)
    except subprocess.TimeoutExpired:
        for child in children(run.pid) if children_first else []:
            os.kill(child, signal.SIGKILL)
        os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    return Trial(witnessed(folder), announced(folder), kept(folder))


def witnessed(folder):
    """Returns what the tests say of themselves."""
    path = folder / "witness"
    lines = path.read_text().splitlines() if path.exists() else []
    return {(int(n), int(process)) for n, process, _ in map(str.split, lines)}


def announced(folder):
    """Returns what the terminal says has passed."""
    line = r"process (\d): test_k\.py::test_a\[(\d)\] \.\.\. passed in "
    output = (folder / "output").read_text()
    return {(int(n), int(process)) for process, n in re.findall(line, output)}


def kept(folder):
    """Returns what is in the saved run, or else in the journal."""
    runs = saved_in(folder)
    if runs:
        return measured(runs[-1])
    return {
        (int(nodeid[-2]), ending.process)
        for machine in folder.glob(".benchmarks/*")
        for path in journals(machine)
        for nodeid, endings in read_journal(path).endings.items()
        for ending in endings
        if ending.benchmark
    }


def measured(run):
    """Returns the cases of a run and the processes that measured them."""
    return {
        (int(bench.name[-2]), process)
        for bench in run.benchmarks
        for process, rounds in enumerate(bench.measurement.processes, 1)
        if rounds
    }


def completed(folder):
    """Goes on with what was killed, or begins again if nothing had; returns the exit status."""
    if saved_in(folder):
        return 0
    waiting = [path for machine in folder.glob(".benchmarks/*") for path in journals(machine)]
    return start(folder, *["--hpml-resume"] * bool(waiting)).wait()


def check(folder, moment, *, children_first, whole_s):
    """Kills a run at a moment from 0 to 1 of its time, checks what is kept, and completes it."""
    folder.mkdir()
    project(folder)
    left = killed(folder, moment * whole_s, children_first=children_first)
    assert left.passed <= left.kept <= left.bodies
    assert len(left.bodies - left.kept) <= 1  # the one between its last line and the sync
    assert completed(folder) == 0
    (run,) = saved_in(folder)
    assert measured(run) == ALL
    assert run.hpml.missing == {}
    (machine,) = folder.glob(".benchmarks/*")
    assert os.listdir(machine) == ["0001_x.json"]
    return left
