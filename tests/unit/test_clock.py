"""Clocks, and the devices they wait for."""

import sys
from types import SimpleNamespace

import pytest
import torch

from hpml_lab.errors import InputError
from hpml_lab.measure import clock as clock_module
from hpml_lab.measure.clock import DeviceClock, HostClock, clock_for, in_use

GPU = torch.device("cuda", 0)


def test_time_never_runs_backwards():
    """Two readings are in order."""
    clock = HostClock()
    assert clock.now_s() <= clock.now_s()


def test_without_an_accelerator_there_is_nothing_to_wait_for():
    """On a machine without one no device is in use, and waiting returns."""
    assert in_use() == []
    clock_for("cpu").synchronise()


def test_who_has_not_imported_torch_has_no_device(monkeypatch):
    """Nothing is imported to find out."""
    monkeypatch.delitem(sys.modules, "torch")
    assert in_use() == []
    assert "torch" not in sys.modules


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:1", torch.device("cuda"), GPU])
def test_cuda_is_waited_for_however_it_is_named(device, monkeypatch):
    """The text, with or without a number, and the object of torch are one device."""
    waited = []
    monkeypatch.setattr(torch.accelerator, "synchronize", waited.append)
    monkeypatch.setattr(clock_module, "in_use", lambda: [GPU])
    clock_for(device, "cpu").synchronise()
    assert waited == [GPU]


def test_an_accelerator_that_the_call_begins_to_use_is_waited_for(monkeypatch):
    """What is idle before the first call and in use after it is waited for from then on."""
    waited, used = [], []
    monkeypatch.setattr(torch.accelerator, "synchronize", waited.append)
    clock = DeviceClock(lambda: used)
    clock.synchronise()
    used.append(GPU)
    clock.synchronise()
    assert waited == [GPU]


@pytest.mark.parametrize("device", ["mps", "xpu", "hpu", "npu", "xla", "meta", "mps:0"])
def test_what_cannot_be_waited_for_is_refused(device):
    """A device of another kind than torch's accelerator would be timed by its dispatch alone."""
    named = device.partition(":")[0]
    with pytest.raises(InputError, match=f"device '{named}' cannot be waited for.*can wait for"):
        clock_for("cpu", device)


class FakeTorch:
    """A torch with three devices of one kind, of which the given ones hold memory."""

    def __init__(self, begun, held):
        self.accelerator = SimpleNamespace(
            is_available=lambda: True,
            current_accelerator=lambda: torch.device("xpu"),
            current_device_index=lambda: 1,
            device_count=lambda: 3,
        )
        self.device = torch.device
        self.get_device_module = lambda _kind: SimpleNamespace(
            is_initialized=lambda: begun, memory_reserved=lambda index: index in held
        )


def test_every_device_that_holds_memory_is_in_use(monkeypatch):
    """The current device, and others with memory of ours; an idle one is not started to wait."""
    monkeypatch.setitem(sys.modules, "torch", FakeTorch(begun=True, held={2}))
    assert in_use() == [torch.device("xpu", 1), torch.device("xpu", 2)]


def test_an_accelerator_that_was_never_used_is_not_begun(monkeypatch):
    """Waiting for it would cost its start."""
    monkeypatch.setitem(sys.modules, "torch", FakeTorch(begun=False, held={2}))
    assert in_use() == []


def test_the_host_s_time_is_the_only_one_of_the_cpu():
    """Marks of the CPU are nothing, and nothing lies between them."""
    clock = clock_for("cpu")
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
    clock = DeviceClock(lambda: [GPU])
    first = clock.mark()
    clock.mark()
    assert clock.between_s(first, clock.mark()) == 2.0


def test_a_device_begun_between_two_marks_has_no_time_of_its_own():
    """With one event alone nothing lies between."""
    clock = DeviceClock(list)
    assert clock.between_s(None, object()) is None
