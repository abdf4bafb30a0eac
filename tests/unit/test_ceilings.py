"""The machine's ceilings: rates on a clock that the test moves, and a cache that may be damaged."""

import os
from types import SimpleNamespace

import pytest
import torch

from hpml_lab.errors import MeasurementError
from hpml_lab.measure import ceilings, machine_cache
from hpml_lab.measure.ceilings import (
    best_call_s,
    matmul_flops_per_s,
    memory_bytes_per_s,
    transfer_bytes_per_s,
)

MIB = 2**20
KNOWN = {"cpu_memory_bytes_per_s": 5e9, "cpu_matmul_bfloat16_flops_per_s": None}


class Ticking:
    """A clock on which the timed calls last what the script says, the last of it for ever."""

    def __init__(self, *durations_s):
        self.durations_s = list(durations_s)
        self.time_s = 0.0
        self.readings = 0
        self.synchronised = 0

    def now_s(self):
        self.readings += 1
        if not self.readings % 2:  # the end of a call
            self.time_s += (
                self.durations_s.pop(0) if len(self.durations_s) > 1 else (self.durations_s[0])
            )
        return self.time_s

    def synchronise(self):
        self.synchronised += 1


def test_the_shortest_call_counts_and_the_first_does_not():
    """Six calls, of which five are timed: the shortest took 2 s; the device is waited for."""
    called = []
    clock = Ticking(3.0, 2.0, 9.0, 4.0, 5.0)
    assert best_call_s(lambda: called.append(1), clock) == 2.0
    assert (len(called), clock.synchronised) == (6, 10)


def test_a_product_of_matrices_is_2_n_cubed_flop(monkeypatch):
    """Sides 2 and 4 take 1 ms each, side 8 takes 50 ms and is the last: 128 FLOP in 1 ms is best.

    16 FLOP in 1 ms are 16,000 FLOP/s, 128 in 1 ms 128,000, 1,024 in 50 ms 20,480.
    """
    monkeypatch.setattr(ceilings, "SIDES", (2, 4, 8, 16))
    clock = Ticking(*[0.001] * 10, 0.05)
    assert matmul_flops_per_s("cpu", torch.float32, clock) == pytest.approx(128_000)
    assert clock.readings == 3 * 5 * 2


def test_copy_moves_two_buffers_and_triad_three():
    """1,000 bytes: a copy in 1 s is 2,000 bytes/s, a triad in 1.2 s is 2,500: the better counts."""
    assert memory_bytes_per_s("cpu", 1000, Ticking(*[1.0] * 5, 1.2)) == pytest.approx(2500)
    assert memory_bytes_per_s("cpu", 1000, Ticking(*[1.0] * 5, 2.0)) == pytest.approx(2000)


def test_what_a_device_has_not_is_unknown(monkeypatch):
    """A dtype without a kernel, or too little memory, gives None and no number."""
    monkeypatch.setattr(ceilings, "SIDES", (2, 4))
    assert matmul_flops_per_s("cpu", torch.bool, Ticking(1.0)) is None

    def refuse(*_arguments, **_named):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "ones", refuse)
    assert memory_bytes_per_s("cpu", 1000, Ticking(1.0)) is None
    assert transfer_bytes_per_s(1000, pinned=False, clock=Ticking(1.0)) is None


def test_a_clock_that_stands_still_gives_no_rate(monkeypatch, clock):
    """No time, no rate: never infinity, which JSON cannot hold."""
    monkeypatch.setattr(ceilings, "SIDES", (2,))
    assert matmul_flops_per_s("cpu", torch.float32, clock) is None
    assert memory_bytes_per_s("cpu", 1000, clock) is None


@pytest.mark.parametrize("pinned", [True, False])
def test_a_transfer_is_counted_once(monkeypatch, pinned):
    """1,000 bytes to the device in 0.5 s are 2,000 bytes/s, page-locked only if asked for."""
    locked = []
    monkeypatch.setattr(ceilings, "_written", lambda size, _device: torch.ones(size // 4))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: locked.append(1) or self)
    assert transfer_bytes_per_s(1000, pinned, Ticking(0.5)) == 2000
    assert locked == [1] * pinned


@pytest.fixture
def quick(monkeypatch):
    """Rates that say what they were asked for instead of measuring it."""
    asked = []

    def say(kind):
        return lambda *arguments: asked.append((kind, *arguments)) or float(len(asked))

    for name in ("matmul_flops_per_s", "memory_bytes_per_s", "transfer_bytes_per_s"):
        monkeypatch.setattr(ceilings, name, say(name.split("_")[0]))
    monkeypatch.setattr(ceilings, "buffer_bytes", lambda: 256 * MIB)
    return asked


CPU_NAMES = [
    "cpu_matmul_float32_flops_per_s",
    "cpu_matmul_bfloat16_flops_per_s",
    "cpu_memory_bytes_per_s",
]


def test_a_machine_without_a_gpu_has_the_ceilings_of_its_processors(quick):
    """Two dtypes and the memory; nothing is said about a GPU that is not there."""
    result = ceilings.measure(lambda device: device, SimpleNamespace(is_available=lambda: False))
    assert result == dict(zip(CPU_NAMES, (1.0, 2.0, 3.0), strict=True))
    assert quick[2] == ("memory", "cpu", 256 * MIB, "cpu")


def test_a_gpu_adds_its_own(quick, monkeypatch):
    """Four kinds of product, its memory and two ways to it; rounding is allowed for tf32 alone."""
    matmul = SimpleNamespace(fp32_precision="ieee")
    monkeypatch.setattr(torch.backends.cuda, "matmul", matmul)
    precise = []
    say = ceilings.matmul_flops_per_s
    monkeypatch.setattr(
        ceilings,
        "matmul_flops_per_s",
        lambda *asked: precise.append(matmul.fp32_precision) or say(*asked),
    )
    result = ceilings.measure(lambda device: device, SimpleNamespace(is_available=lambda: True))
    assert list(result) == [
        *CPU_NAMES,
        "cuda_matmul_float32_flops_per_s",
        "cuda_matmul_bfloat16_flops_per_s",
        "cuda_matmul_float16_flops_per_s",
        "cuda_memory_bytes_per_s",
        "cuda_matmul_tf32_flops_per_s",
        "host_to_device_pinned_bytes_per_s",
        "host_to_device_pageable_bytes_per_s",
    ]
    assert precise == ["ieee"] * 5 + ["tf32"]
    assert [arguments for kind, *arguments in quick if kind == "transfer"] == [
        [256 * MIB, True, "cuda"],
        [256 * MIB, False, "cuda"],
    ]


def test_memory_that_is_not_there_is_not_measured(quick, monkeypatch):
    """Where the buffers do not fit, the bandwidth is unknown."""
    monkeypatch.setattr(ceilings, "buffer_bytes", lambda: None)
    result = ceilings.measure(lambda device: device, SimpleNamespace(is_available=lambda: False))
    assert result["cpu_memory_bytes_per_s"] is None
    assert [kind for kind, *_ in quick] == ["matmul", "matmul"]


def describe_cache(folder, processor, index, level, size, shared):
    """Writes what Linux says about one cache of one processor."""
    place = folder / f"cpu{processor}" / "cache" / f"index{index}"
    place.mkdir(parents=True)
    for name, text in (("level", level), ("size", size), ("shared_cpu_list", shared)):
        (place / name).write_text(f"{text}\n")


def test_three_buffers_are_four_times_the_last_caches(tmp_path):
    """Two sockets of 300 MiB, each named by two processors: 4 x 600 MiB in three is 800 MiB."""
    for processor, shared in enumerate(("0-1", "0-1", "2-3", "2-3")):
        describe_cache(tmp_path, processor, 2, 2, "2048K", str(processor))
        describe_cache(tmp_path, processor, 3, 3, "300M", shared)
    assert ceilings.buffer_bytes(tmp_path, 2**40) == 800 * MIB
    assert ceilings.buffer_bytes(tmp_path, 4800 * MIB) == 800 * MIB
    assert ceilings.buffer_bytes(tmp_path, 4800 * MIB - 1) is None


def test_unknown_caches_get_the_least_buffer(tmp_path):
    """No description, or one that cannot be read: 256 MiB."""
    assert ceilings.buffer_bytes(tmp_path, 2**40) == 256 * MIB
    describe_cache(tmp_path, 0, 3, 3, "large", "0")
    (tmp_path / "cpu1" / "cache" / "index3").mkdir(parents=True)
    assert ceilings.buffer_bytes(tmp_path, 2**40) == 256 * MIB


@pytest.fixture
def measured(monkeypatch):
    """Counts how often the ceilings are measured, in place of doing so."""
    jobs = []

    def run(job, **_named):
        jobs.append(job)
        return dict(KNOWN)

    monkeypatch.setattr(ceilings, "in_fresh_process", run)
    return jobs


def test_they_are_measured_once_in_a_fresh_process(measured, cache):
    """The second time they come from the one file in the cache, unknown ones as None."""
    assert ceilings.ceilings() == ceilings.ceilings() == KNOWN
    assert measured == [ceilings.measure]
    assert [path.name[:9] for path in cache.iterdir()] == ["ceilings-"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("5000000000.0", "-1.0"),
        lambda text: text.replace("5000000000.0", "0"),
        lambda text: text.replace("5000000000.0", '"5e9"'),
        lambda text: text.replace("5000000000.0", "NaN"),
        lambda text: text.replace('"method":1', '"method":0'),
        lambda text: text.replace('"value"', '"other":1,"value"'),
        lambda _text: "",
        lambda _text: "[]",
        lambda _text: "\udcff",
    ],
)
def test_a_damaged_cache_is_measured_again(measured, cache, damage):
    """Cut short, of the wrong type, impossible or of another key: never believed, then repaired."""
    ceilings.ceilings()
    (path,) = cache.iterdir()
    text = path.read_text()
    damaged = damage(text)
    assert damaged != text
    path.write_text(damaged, errors="surrogateescape")
    assert ceilings.ceilings() == KNOWN
    assert len(measured) == 2
    assert path.read_text() == text


@pytest.mark.parametrize("change", ["software", "processors"])
def test_other_software_or_processors_have_their_own(measured, monkeypatch, change):
    """A new torch or fewer processors to use: measured again, and both are kept."""
    ceilings.ceilings()
    if change == "software":
        monkeypatch.setattr(machine_cache, "software", lambda _found: {"torch": "9.9"})
    else:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(999)))
    ceilings.ceilings()
    assert len(measured) == 2
    monkeypatch.undo()


def test_a_cache_that_cannot_be_written_loses_nothing(measured, cache):
    """The ceilings are returned all the same, and no temporary file stays."""
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file where the folder should be")
    assert ceilings.ceilings() == KNOWN
    assert len(measured) == 1


def test_a_write_that_fails_leaves_what_was_there(measured, cache, monkeypatch):
    """A full disk: the old file stays whole, without a half one beside it."""
    ceilings.ceilings()
    (path,) = cache.iterdir()
    text = path.read_text()

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    ceilings.keep({"cpu_memory_bytes_per_s": 1.0})
    assert [path.read_text() for path in cache.iterdir()] == [text]
    assert len(measured) == 1


def test_ceilings_that_cannot_be_measured_are_an_error(monkeypatch, cache):
    """A process that dies is reported, and nothing is kept."""

    def die(_job, **_named):
        raise MeasurementError("measure failed in its own process: exit status -11")

    monkeypatch.setattr(ceilings, "in_fresh_process", die)
    with pytest.raises(MeasurementError, match="exit status -11"):
        ceilings.ceilings()
    assert not cache.exists()


@pytest.mark.slow
def test_this_machine_has_ceilings():
    """The whole way through a fresh process: every rate of the processors is a number."""
    result = ceilings.ceilings()
    assert set(CPU_NAMES) <= result.keys()
    assert result["cpu_matmul_float32_flops_per_s"] > 1e8
    assert ceilings.recall() == result
