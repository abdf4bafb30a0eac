"""What only a GPU can tell: each check by itself, read rightly, and kept."""

import json
from types import SimpleNamespace

import msgspec
import pytest
import torch
from click.testing import CliRunner

from hpml_lab.cli.machine import machine
from hpml_lab.measure import fingerprint, machine_cache, probe
from hpml_lab.measure.fingerprint import machine_record, state
from hpml_lab.measure.gpus import Gpu
from hpml_lab.measure.probe import CHECKS, facts, history, launches, short_lived
from hpml_lab.report.machine import answers
from hpml_lab.runs.machine import Machine


def entry(action, addr, size=0):
    """An entry of the allocator's history."""
    return {"action": action, "addr": addr, "size": size}


def event(name, begin, end, device="DeviceType.CPU"):
    """An event of a profile."""
    return SimpleNamespace(
        name=name, device_type=device, thread=1, time_range=SimpleNamespace(start=begin, end=end)
    )


def test_a_workspace_is_a_block_that_lives_for_a_moment():
    """Largest first; an activation stays longer, a block of before was not allocated here."""
    entries = [
        entry("alloc", 1, 100),
        entry("free_requested", 1),
        entry("free_completed", 1),
        entry("alloc", 2, 999),
        entry("alloc", 1, 300),
        entry("free_completed", 1),
        entry("segment_alloc", 9, 5),
        entry("free_completed", 2),
        entry("free_completed", 77),
    ]
    assert short_lived(entries) == [300, 100]


def test_launches_stand_beside_kernels():
    """Two launches, of which one is seen twice, and two kernels; a copy is none."""
    events = [
        event("cudaLaunchKernel", 0, 4),
        event("cuLaunchKernel", 1, 2),
        event("cuLaunchKernelEx", 5, 6),
        event("gemm", 3, 9, "DeviceType.CUDA"),
        event("relu", 9, 10, "DeviceType.CUDA"),
        event("Memcpy HtoD", 9, 10, "DeviceType.CUDA"),
    ]
    assert launches(events) == {"launches": 2, "kernels": 2}


def test_the_history_is_switched_off_also_behind_an_error():
    """Else the allocator would go on writing."""
    log = []
    memory = SimpleNamespace(
        _record_memory_history=lambda **how: log.append(how.get("enabled", "on")),
        _snapshot=lambda: {"device_traces": [[entry("alloc", 1, 2)]]},
    )
    assert history(lambda: None, memory) == [entry("alloc", 1, 2)]
    with pytest.raises(ZeroDivisionError):
        history(lambda: 1 / 0, memory)
    assert log == ["on", None, "on", None]


FOUND = {
    "context": {"context_bytes": 500},
    "clock": {"host_s": 1.1, "device_s": 1.0},
    "counting": {"before_s": [1.0, 1.0], "behind_s": [1.2, 1.2], "launches": 7, "kernels": 7},
    "workspaces": {
        "tf32": {"short_lived_bytes": [900, 3]},
        "ieee": {"short_lived_bytes": []},
    },
    "timeline": {"error": "KeyError: 5"},
    "graphs": {
        "step_s": 1.0,
        "eager_s": 2.0,
        "peak_allocated_bytes": 10,
        "peak_reserved_bytes": 20,
    },
}
NUMBERS = {
    "context_bytes": 500,
    "host_over_device": 1.1,
    "behind_over_before": 1.2,
    "launches": 7,
    "kernels": 7,
    "workspace_tf32_bytes": 900,
    "graph_over_eager": 0.5,
    "graph_allocated_bytes": 10,
    "graph_reserved_bytes": 20,
}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty folder for what is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_the_numbers_of_a_probe_are_kept_for_its_machine():
    """Those of checks that failed, and of what was not seen, are left out."""
    assert facts(FOUND) == NUMBERS
    probe.probe(lambda _line: None, {name: lambda n=name: FOUND[n] for name in FOUND})
    assert probe.recall() == NUMBERS


def test_a_saved_run_has_the_probe_of_its_gpu(monkeypatch):
    """And nothing of the kind without a GPU, or before a probe."""
    assert "probe" not in machine_record(state(), {})
    gpu = Gpu("NVIDIA H200", "GPU-1", 2**37, False, "580.1", None, None, None, None)
    monkeypatch.setattr(fingerprint, "gpus", lambda: [gpu])
    assert "probe" not in machine_record(state(), {})
    machine_cache.keep("probe", probe.METHOD, NUMBERS)
    record = machine_record(state(), {})
    assert record["probe"] == NUMBERS
    (table,) = [a for a in answers(msgspec.convert(record, Machine)) if "probe" in a.title]
    assert ["behind over before", "1.200x"] in table.rows
    assert ["launches", "7"] in table.rows
    assert ["workspace tf32", "0.00 MiB"] in table.rows


def test_a_check_that_fails_loses_no_other():
    """Its reason stands in its place; each line is said as soon as a check has ended."""
    said = []

    def fails():
        raise RuntimeError("no such device\nand more")

    result = probe.probe(said.append, {"fails": fails, "works": lambda: {"bytes": 5}})
    assert result == {"fails": {"error": "RuntimeError: no such device"}, "works": {"bytes": 5}}
    assert [json.loads(line)["check"] for line in said] == ["fails", "works"]


@pytest.mark.integration
@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_a_gpu_every_check_ends_in_a_line():
    """The whole way through the command, up to the first call of CUDA; nothing is kept."""
    done = CliRunner().invoke(machine, ["--probe"])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.output.splitlines()]
    assert [line["check"] for line in lines] == [*CHECKS]
    result = {line["check"]: line["found"] for line in lines}
    assert result.pop("context") == {"context_bytes": None}
    assert all("error" in one for one in result.values())
    assert probe.recall() == {}
