"""What CUDA's context takes: read before and behind its start, in a fresh process."""

from types import SimpleNamespace

import pynvml
import pytest
import torch

from hpml_lab.measure import context
from hpml_lab.measure.context import context_bytes, context_growth
from hpml_lab.measure.gpus import used_bytes

MIB = 2**20


class FakeMachine:
    """Two GPUs with 100 and 7 MiB in use; starting CUDA takes 500 MiB of the second."""

    NVMLError = pynvml.NVMLError

    def __init__(self, count=2):
        self.count = count
        self.used = [100 * MIB, 7 * MIB]
        self.opened = 0

    def nvmlInit(self):  # noqa: N802
        self.opened += 1

    def nvmlShutdown(self):  # noqa: N802
        self.opened -= 1

    def nvmlDeviceGetCount(self):  # noqa: N802
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        return index

    def nvmlDeviceGetUUID(self, handle):  # noqa: N802
        return f"GPU-{handle}"

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return SimpleNamespace(used=self.used[handle])

    def is_available(self):
        return True

    def mem_get_info(self):
        self.used[1] += 500 * MIB


class NoDriver(FakeMachine):
    """A machine without an NVIDIA driver."""

    def nvmlInit(self):  # noqa: N802
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)


def test_the_driver_says_what_is_in_use():
    """By uuid, and the library is closed again."""
    machine = FakeMachine()
    assert used_bytes(machine) == {"GPU-0": 100 * MIB, "GPU-1": 7 * MIB}
    assert machine.opened == 0
    assert used_bytes(NoDriver()) == {}


def test_the_context_is_what_the_start_adds():
    """500 MiB on the one GPU that has it, whatever was in use before."""
    machine = FakeMachine()
    assert context_growth(machine, machine) == 500 * MIB


def test_without_a_gpu_there_is_no_context():
    """No driver, no GPU: None, and CUDA is not touched."""
    assert context_growth(None, NoDriver()) is None
    assert context_growth(None, FakeMachine(count=0)) is None
    blind = SimpleNamespace(is_available=lambda: False)
    assert context_growth(blind, FakeMachine()) is None


@pytest.mark.parametrize(("known", "processes"), [(None, 2), (500 * MIB, 1)])
def test_the_context_is_measured_in_a_fresh_process_once(monkeypatch, tmp_path, known, processes):
    """This process may have one already; what is known of the machine is kept."""
    jobs = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(context, "in_fresh_process", lambda job: jobs.append(job) or known)
    assert context_bytes() == context_bytes() == known
    assert jobs == [context_growth] * processes


@pytest.mark.integration
@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_machine_without_a_gpu_says_so_through_the_real_process():
    """The whole way: process, driver library, JSON."""
    assert context_bytes() is None
