"""Faults around a run: workers of a loader, git, shared memory, the clock on the wall."""

import shutil
import subprocess
import sys

import pytest

from support.runs import saved_in

pytestmark = pytest.mark.integration

LOADERS = """
    import os
    import signal

    import pytest
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from hpml_lab import TrainingStep

    def raises():
        raise OSError("the disk is gone")

    FAULTS = {
        "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "hung": signal.pause,
        "failing": raises,
        "none": int,
    }

    class Rows(TensorDataset):
        def __getitem__(self, index):
            if torch.utils.data.get_worker_info() is not None:
                FAULTS[self.fault]()
            return super().__getitem__(index)

    @pytest.mark.parametrize("fault", FAULTS)
    def test_step(measure, fault):
        model = torch.nn.Linear(16384, 2)
        rows = Rows(torch.zeros(16, 16384), torch.zeros(16, dtype=torch.long))
        rows.fault = fault
        loader = DataLoader(rows, 4, num_workers=1, timeout=2)
        batch = torch.zeros(4, 16384), torch.zeros(4, dtype=torch.long)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        loss = torch.nn.functional.cross_entropy
        measure(TrainingStep(model, optimizer, loss, batch, loader=loader), rounds=3)
"""


def saved(project):
    """Returns the one run that the project saved."""
    (run,) = saved_in(project.path)
    return run


def test_a_loader_worker_that_fails_is_a_flag(project, monkeypatch):
    """Killed, hung or failing: the time of the step stays."""
    monkeypatch.setenv("HPML_PROCESSES", "1")
    project.makepyfile(LOADERS)
    result = project.runpytest_inprocess("--benchmark-save=x", "-q", "-k", "not none")
    result.assert_outcomes(passed=3)
    messages = {
        "test_step[killed]": "RuntimeError: DataLoader worker",
        "test_step[hung]": "RuntimeError: DataLoader timed out after 2 seconds",
        "test_step[failing]": "OSError: the disk is gone",
    }
    measured = {benchmark.name: benchmark.measurement for benchmark in saved(project).benchmarks}
    assert measured.keys() == messages.keys()
    for name, measurement in measured.items():
        assert len(measurement.processes[0]) == 3
        (flag,) = [f for f in measurement.flags if f.startswith("the loader is not measured")]
        assert flag.startswith(f"the loader is not measured: {messages[name]}")
        assert "\n" not in flag


# A session of mounts of its own, in which shared memory holds 64 KiB; a batch has 256.
LITTLE = [
    "unshare",
    "--mount",
    "sh",
    "-c",
    'mount -t tmpfs -o size=64k tmpfs /dev/shm && "$@"',
    "-",
]


def can_mount():
    """Returns whether this user may mount a file system."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*LITTLE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount a file system")
def test_a_loader_without_shared_memory_is_a_flag(project, monkeypatch):
    """The time of the step stays, and the flag says that shared memory was short."""
    monkeypatch.setenv("HPML_PROCESSES", "1")
    project.makepyfile(LOADERS)
    command = [*LITTLE, sys.executable, "-m", "pytest", "--benchmark-save=x", "-q", "-k", "none"]
    result = project.run(*command)
    result.assert_outcomes(passed=1)
    (benchmark,) = saved(project).benchmarks
    (flag,) = [f for f in benchmark.measurement.flags if f.startswith("the loader is not measured")]
    assert "shared memory" in flag
    assert "No space left on device" in flag


SLEEPLESS = "def test_step(measure):\n    measure(lambda: sum(range(100)), rounds=3)\n"


def test_a_machine_without_git_saves_runs(project, monkeypatch):
    """Nothing is found on the PATH; the run has no commit."""
    monkeypatch.setenv("HPML_PROCESSES", "1")
    monkeypatch.setenv("PATH", "/nonexistent")
    project.makepyfile(SLEEPLESS)
    result = project.runpytest_inprocess("--benchmark-save=x", "-q")
    result.assert_outcomes(passed=1)
    assert len(saved(project).benchmarks) == 1


def test_a_clock_on_the_wall_that_jumps_changes_no_time(project, monkeypatch):
    """Set back by an hour each time it is read; rounds are of a monotonic clock."""
    monkeypatch.setenv("HPML_PROCESSES", "1")
    project.makeconftest(
        """
        import itertools, time
        hours = itertools.count()
        real = time.time
        time.time = lambda: real() - 3600 * next(hours)
        """
    )
    project.makepyfile(SLEEPLESS)
    project.runpytest_subprocess("--benchmark-save=x", "-q").assert_outcomes(passed=1)
    (benchmark,) = saved(project).benchmarks
    assert all(0 < second < 60 for second in benchmark.measurement.processes[0])


def test_nothing_of_the_environment_is_saved(project, monkeypatch):
    """A secret in a variable is in no file of the run."""
    monkeypatch.setenv("HPML_PROCESSES", "1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-mine")
    monkeypatch.setenv("HPML_TOKEN_OF_MINE", "a-secret-of-mine")
    project.makepyfile(SLEEPLESS)
    project.runpytest_inprocess("--benchmark-save=x", "-q").assert_outcomes(passed=1)
    texts = [p.read_text(errors="replace") for p in project.path.rglob("*") if p.is_file()]
    assert saved(project)
    assert not any("a-secret-of-mine" in text for text in texts)
