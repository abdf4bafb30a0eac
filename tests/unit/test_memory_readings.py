"""Bytes counted on the optimizer, and read from CUDA."""

import torch
from torch import nn

from hpml_lab.measure.memory import cuda_peak, optimizer_state


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

    def empty_cache(self):
        self.log.append("empty_cache")

    def reset_peak_memory_stats(self):
        self.log.append("reset")
        self.peak = self.live

    def synchronize(self):
        self.log.append("synchronize")

    def step(self):
        self.log.append("step")
        self.live += 10
        self.peak = max(self.peak, self.live + 500)

    def memory_allocated(self):
        return self.live

    def max_memory_allocated(self):
        return self.peak

    def max_memory_reserved(self):
        return 4096

    def mem_get_info(self):
        return 60_000, 100_000


def test_the_peak_is_that_of_two_steps_behind_the_reset():
    """Older peaks are forgotten, two steps run, and the device is waited for before reading."""
    cuda = FakeCuda()
    assert cuda_peak(cuda.step, cuda) == {
        "allocated_bytes": 1000,
        "peak_allocated_bytes": 1520,
        "peak_reserved_bytes": 4096,
        "device_used_bytes": 40_000,
    }
    assert cuda.log == ["empty_cache", "synchronize", "reset", "step", "step", "synchronize"]
