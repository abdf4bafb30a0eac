"""Clocks, and the device they wait for."""

import torch

from hpml_lab.measure.clock import CudaClock, HostClock, clock_for


def test_time_never_runs_backwards():
    """Two readings are in order."""
    clock = HostClock()
    assert clock.now_s() <= clock.now_s()


def test_the_host_has_nothing_to_wait_for():
    """The CPU's clock is the host's."""
    assert type(clock_for("cpu")) is HostClock
    clock_for("cpu").synchronise()


def test_cuda_is_waited_for(monkeypatch):
    """The clock of CUDA waits for the device when told."""
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waited.append(True))
    clock = clock_for("cuda")
    assert isinstance(clock, CudaClock)
    clock.synchronise()
    assert waited == [True]
