"""Tests that run as ranks of one training: the first decides and saves."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from hpml_lab.measure import ranks
from hpml_lab.pytest_plugin.torchrun import rank

DISTRIBUTED = """
    import time

    import pytest
    import torch.distributed as distributed
    from torch import nn, randint, randn
    from torch.optim import SGD

    from hpml_lab import TrainingStep

    @pytest.fixture(scope="session")
    def group():
        distributed.init_process_group("gloo")
        yield
        distributed.destroy_process_group()

    @pytest.mark.parametrize("width", [16, 64])
    def test_step(measure, group, width):
        model = nn.parallel.DistributedDataParallel(nn.Linear(32, width))
        batch = randn(16, 32), randint(0, width, (16,))
        optimizer = SGD(model.parameters(), 0.1)
        measure(TrainingStep(model, optimizer, nn.functional.cross_entropy, batch))

    def test_ranks_that_need_other_times(measure, group):
        def step():
            end_s = time.perf_counter() + 0.002 * (1 + 20 * distributed.get_rank())
            while time.perf_counter() < end_s:
                pass
            distributed.barrier()

        measure(step)
"""


@pytest.fixture
def group(monkeypatch):
    """A torch with two ranks, of which this one is the second; the first says 7."""

    def broadcast(values, src):
        assert src == 0
        values[0] = 7

    distributed = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        get_world_size=lambda: 2,
        broadcast_object_list=broadcast,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(distributed=distributed))
    return distributed


@pytest.mark.usefixtures("group")
def test_what_the_first_rank_says_holds():
    """A second rank gives up its own value."""
    assert ranks.world_size() == 2
    assert ranks.agreed(3) == 7


def test_alone_everybody_decides(group, monkeypatch):
    """Without a group, without torch, or in a group of one."""
    group.get_world_size = lambda: 1
    assert ranks.agreed(3) == 3
    group.is_initialized = lambda: False
    assert ranks.agreed(3) == 3
    monkeypatch.delitem(sys.modules, "torch")
    assert ranks.agreed(3) == 3


@pytest.mark.parametrize(
    ("number", "world", "expected"),
    [("0", "2", 0), ("1", "2", 1), ("0", "1", None), ("", "", None), ("1", "many", None)],
)
def test_torchrun_says_which_rank_this_is(monkeypatch, number, world, expected):
    """One rank alone is none."""
    monkeypatch.setenv("RANK", number)
    monkeypatch.setenv("WORLD_SIZE", world)
    assert rank() == expected


@pytest.mark.integration
@pytest.mark.usefixtures("lab_in_one_process")
def test_only_the_first_rank_saves(project, monkeypatch):
    """The second one measures beside it and leaves no file; it starts no interpreters."""
    project.makepyfile("def test_a(measure): measure(int)")
    monkeypatch.setenv("WORLD_SIZE", "2")
    for number, files in (("1", 0), ("0", 1)):
        monkeypatch.setenv("RANK", number)
        result = project.runpytest_inprocess("--benchmark-save=mine")
        result.assert_outcomes(passed=1)
        saved = list(project.path.glob(".benchmarks/*/*.json"))
        assert len(saved) == files
    run = json.loads(saved[0].read_text())
    assert run["hpml"]["processes"] == 1
    assert len(run["benchmarks"][0]["extra_info"]["hpml"]["processes"]) == 1


@pytest.mark.integration
@pytest.mark.usefixtures("lab_in_one_process")
def test_what_fails_on_the_first_rank_is_in_the_run(project, monkeypatch):
    """As it is in a run of fresh interpreters."""
    project.makepyfile("def test_a(measure): measure(int)\ndef test_b(measure): assert False")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    project.runpytest_inprocess("--benchmark-save=mine").assert_outcomes(passed=1, failed=1)
    (file,) = project.path.glob(".benchmarks/*/*.json")
    (failure,) = json.loads(file.read_text())["hpml"]["unmeasured"].values()
    assert failure[0]["kind"] == "failed"


@pytest.mark.usefixtures("lab_in_one_process")
def test_ranks_start_no_interpreters(project, monkeypatch):
    """Those would be no ranks; the option is refused in one line."""
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = project.runpytest_inprocess("--hpml-processes=3")
    result.stderr.fnmatch_lines(["*--hpml-processes starts interpreters, which would be no ranks*"])


@pytest.mark.usefixtures("lab_in_one_process")
@pytest.mark.slow
def test_two_ranks_end_together(project):
    """Started by torchrun: steps of DDP, and one that takes 20 times as long on the second rank."""
    project.makepyfile(test_ddp=DISTRIBUTED)
    command = [
        Path(sys.executable).with_name("torchrun"), "--nproc-per-node=2", "--standalone",
        "-m", "pytest", "-q", "--benchmark-max-time=0.2", "--benchmark-save=ranks",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=project.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = project.path.glob(".benchmarks/*/0001_ranks.json")
    cases = {
        bench["name"]: bench["extra_info"]["hpml"]
        for bench in json.loads(file.read_text())["benchmarks"]
    }
    assert len(cases) == 3
    assert {case["case"]["ranks"] for case in cases.values()} == {2}
    # Forward and weight gradient of 16 rows; nobody asks for that of the inputs.
    assert cases["test_step[64]"]["counters"]["step_flops"] == 2 * 2 * 16 * 32 * 64
    slow = cases["test_ranks_that_need_other_times"]["processes"][0]
    assert min(slow) >= 0.042
