"""Runs that are killed at random moments, or that fill their disk: nothing that ended is lost."""

import os
import random
import re
import shutil
import subprocess
import sys
import time

import pytest

from hpml_lab.runs.journal import journals, read_journal
from support.killed_runs import check, project, start
from support.runs import saved_in

MANY = """
    import pytest

    @pytest.mark.parametrize("n", range(40))
    def test_a(benchmark, n):
        benchmark.pedantic(int, rounds=2)
"""
# The disk is gone with the command that made it, so what is on it is copied.
ON_A_SMALL_DISK = """
    mount -t tmpfs -o size=64k tmpfs disk || exit 99
    "$@" --benchmark-storage=file://./disk >output 2>&1
    status=$?
    cp -a disk/. kept/
    exit $status
"""


@pytest.fixture(scope="module")
def whole_s(tmp_path_factory):
    """How long a run takes that nobody kills."""
    folder = tmp_path_factory.mktemp("whole")
    project(folder)
    began_s = time.monotonic()
    assert start(folder).wait() == 0
    return time.monotonic() - began_s


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_what_had_ended_is_kept_and_the_run_completed(tmp_path, whole_s, seed):
    """At a random moment: all that the terminal called passed is kept, and one run holds it."""
    moment = random.Random(seed).random()
    check(tmp_path / "k", moment, children_first=bool(seed % 2), whole_s=whole_s)


@pytest.mark.slow
def test_a_disk_that_is_full_keeps_what_had_ended(tmp_path):
    """64 KiB: one line says so, a whole journal is all there is, and the run can go on."""
    project(tmp_path, MANY)
    for name in ("disk", "kept"):
        (tmp_path / name).mkdir()
    command = [
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--benchmark-save=x",
        "--hpml-processes=2",
    ]  # fmt: skip
    within = (
        ["unshare", "-rm", "sh", "-c", ON_A_SMALL_DISK, "sh"] if shutil.which("unshare") else []
    )
    done = subprocess.run([*within, *command], cwd=tmp_path, capture_output=True, check=False)
    if not within or done.returncode == 99:
        pytest.skip("no small file system can be mounted here")
    output = (tmp_path / "output").read_text()
    assert done.returncode == 1
    assert "Traceback" not in output
    assert "Nothing saved" not in output
    (line,) = re.findall(r"^!+ (.+) !+$", output, re.MULTILINE)
    assert "the journal cannot be written: No space left on device; what ended before" in line
    (machine,) = (tmp_path / "kept").iterdir()
    (journal,) = journals(machine)
    assert os.listdir(machine) == [journal.name]
    endings = read_journal(journal).endings
    assert journal.read_bytes().endswith(b"}\n")
    assert sum(map(len, endings.values())) == output.count("... passed in ") > 0
    options = ["--benchmark-storage=file://./kept", "--hpml-resume"]
    subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, check=True)
    (run,) = saved_in(tmp_path, "kept")
    assert len(run.benchmarks) == 40
    assert all(all(bench.measurement.processes) for bench in run.benchmarks)
