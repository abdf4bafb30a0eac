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


def test_the_host_s_time_is_the_only_one_of_the_cpu():
    """Marks of the CPU are nothing, and nothing lies between them."""
    clock = HostClock()
    assert clock.between_s(clock.mark(), clock.mark()) is None


def test_the_device_s_own_time_lies_between_events(monkeypatch):
    """Events of CUDA are recorded where they are made, and tell milliseconds."""
    made = []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            made.append(self)

        def elapsed_time(self, last):
            return 1000.0 * (made.index(last) - made.index(self))

    monkeypatch.setattr(torch.cuda, "Event", Event)
    clock = clock_for("cuda")
    first = clock.mark()
    clock.mark()
    assert clock.between_s(first, clock.mark()) == 2.0
