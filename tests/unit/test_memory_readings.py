"""Bytes counted on the optimizer, read from CUDA's counters, and from the CPU's allocator."""

import mmap

import psutil
import pytest
import torch
from torch import nn

from hpml_lab.memory import readings
from hpml_lab.memory.readings import allocator_peak, cpu_peak, cuda_peak, resident_peak, step_memory
from hpml_lab.training.optimizers import optimizer_state


def stepped(kind, **options):
    """Returns an optimizer over 12 float32 values in two tensors, after one step."""
    parameters = [nn.Parameter(torch.ones(10)), nn.Parameter(torch.ones(2))]
    optimizer = kind(parameters, lr=0.1, **options)
    sum(parameter.sum() for parameter in parameters).backward()
    optimizer.step()
    return optimizer


def test_adam_keeps_two_copies_and_a_counter_each():
    """Twelve values: 96 bytes of moments, and two counters of 4 bytes."""
    assert optimizer_state(stepped(torch.optim.Adam)) == {
        "optimizer_state_bytes": 96,
        "step_counters": 2,
        "step_counter_bytes": 8,
    }


def test_plain_sgd_keeps_nothing():
    """SGD has no state, with momentum one copy."""
    assert optimizer_state(stepped(torch.optim.SGD))["optimizer_state_bytes"] == 0
    kept = optimizer_state(stepped(torch.optim.SGD, momentum=0.9))
    assert kept["optimizer_state_bytes"] == 48


def test_state_appears_with_the_first_step():
    """Before a step there is nothing to count."""
    optimizer = torch.optim.Adam([nn.Parameter(torch.ones(3))])
    assert optimizer_state(optimizer)["optimizer_state_bytes"] == 0


class FakeCuda:
    """CUDA's counters for a step that allocates, frees, and keeps 10 bytes for good."""

    def __init__(self):
        self.log = []
        self.live = 1000
        self.peak = 9999  # of a step long before

    def reset_peak_memory_stats(self):
        self.log.append("reset")
        self.peak = self.live

    def synchronize(self):
        self.log.append("synchronize")

    def step(self):
        self.log.append("step")
        self.live += 10
        self.peak = max(self.peak, self.live + 500)

    def memory_stats(self):
        return {
            "allocated_bytes.all.current": self.live,
            "requested_bytes.all.peak": self.peak - 7,
            "allocated_bytes.all.peak": self.peak,
            "active_bytes.all.peak": self.peak + 3,
            "reserved_bytes.all.peak": 4096,
        }

    def mem_get_info(self):
        return 60_000, 100_000


def test_the_peaks_are_those_of_two_steps_behind_the_reset():
    """Older peaks are forgotten, two steps run, and the device is waited for before reading."""
    cuda = FakeCuda()
    assert cuda_peak(cuda.step, cuda) == {
        "allocated_bytes": 1000,
        "peak_requested_bytes": 1513,
        "peak_allocated_bytes": 1520,
        "peak_active_bytes": 1523,
        "peak_reserved_bytes": 4096,
        "device_used_bytes": 40_000,
    }
    assert cuda.log == ["synchronize", "reset", "step", "step", "synchronize"]


def test_a_step_is_warm_before_its_peak_is_read(monkeypatch):
    """Either device: one call first, and its memory does not count."""
    calls = []
    monkeypatch.setattr(readings, "cuda_peak", lambda _step, steps: ["cuda", len(calls), steps])
    monkeypatch.setattr(readings, "cpu_peak", lambda _step, steps: ["cpu", len(calls), steps])
    assert step_memory(lambda: calls.append(1), "cuda") == ["cuda", 1, 2]
    assert step_memory(lambda: calls.append(1), "cpu") == ["cpu", 2, 2]


def test_the_allocators_peak_is_what_was_alive_at_once():
    """4000 and 8000 bytes together; 16000 later, on their own, are the peak; a scalar beside."""

    def step():
        first, second = torch.empty(1000), torch.empty(2000)
        del first, second
        kept = torch.empty(4000)
        return kept, torch.empty(1)

    assert allocator_peak(step) == 16_004
    assert allocator_peak(step, least_bytes=9) == 16_000


def test_what_was_there_before_does_not_count_nor_does_its_release():
    """4000 bytes from before go, 4000 and 400 come: 4400 of the call's own are alive at once."""
    held = [torch.empty(1000)]

    def step():
        held.clear()
        return torch.empty(1000), torch.empty(100)

    assert allocator_peak(step) == 4400


def test_a_block_at_a_watched_address_is_from_before_all_the_same():
    """What was watched at an address once says nothing of a later block there."""
    held = []

    def allocate():
        held.extend(torch.empty(1000) for _ in range(100))
        return {tensor.data_ptr() for tensor in held}

    addresses = set()
    allocator_peak(lambda: addresses.update(allocate()))
    held.clear()
    assert allocate() & addresses

    def step():
        held.clear()
        return torch.empty(2000)

    assert allocator_peak(step) == 8000


def test_a_second_step_frees_the_gradients_of_the_first():
    """Over two steps that replace 4000 bytes of gradients the peak is that of one."""
    held = []

    def step():
        held.clear()
        held.append(torch.empty(1000))

    assert cpu_peak(step, 2)["peak_step_bytes"] == 4000


def test_the_resident_peak_sees_memory_that_is_gone_again():
    """64 MiB written and freed inside the call; the mark is reset before the next."""
    size = 64 * 2**20
    idle = resident_peak(lambda: None)
    if idle is None:
        pytest.skip("/proc/self/clear_refs cannot be written here")

    def touch_pages():
        # Straight from the system: malloc may have as much left over from tests before this one.
        with mmap.mmap(-1, size) as pages:
            pages[:: mmap.PAGESIZE] = b"x" * (size // mmap.PAGESIZE)

    busy = resident_peak(touch_pages)
    assert busy - idle > 0.9 * size
    assert resident_peak(lambda: None) < busy - 0.5 * size
    assert idle == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)


def test_a_resident_peak_that_cannot_be_reset_is_unknown(tmp_path):
    """No number without the reset: it would be the peak of the whole process."""
    assert resident_peak(lambda: 1 / 0, tmp_path / "nowhere") is None
    assert "peak_resident_bytes" not in cpu_peak(lambda: None, 2, tmp_path / "nowhere")


def test_the_high_water_mark_is_read_behind_the_call(tmp_path):
    """The reset is written first; kB of the proc file system are 1024 bytes."""

    def step():
        assert (tmp_path / "clear_refs").read_text() == "5"
        (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t    2048 kB\nVmRSS:\t  7 kB\n")

    assert resident_peak(step, tmp_path) == 2 * 2**20
    assert cpu_peak(step, 2, tmp_path)["peak_resident_bytes"] == 2 * 2**20


def test_a_system_without_the_mark_has_no_resident_peak(tmp_path):
    """A status file without VmHWM."""
    (tmp_path / "status").write_text("Name:\tpython\n")
    assert resident_peak(lambda: None, tmp_path) is None
