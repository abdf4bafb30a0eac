"""Which machine this is."""

from dataclasses import replace
from importlib import metadata
from types import SimpleNamespace

import pytest

from hpml_lab.measure import fingerprint
from hpml_lab.measure.fingerprint import identity, machine_record, state
from hpml_lab.measure.gpus import Gpu, gpus
from hpml_lab.runs.machine import Identity

GPU = Gpu("NVIDIA H200", "GPU-1", 150_754_820_096, False, "580.1", 1980, 3201, 35, 0)
LAPTOP = Identity(
    cpu="Some CPU @ 3.00GHz",
    cpu_count=8,
    memory_gib=16,
    gpu=None,
    gpu_count=0,
    gpu_memory_gib=0,
    mig=False,
)


class NVMLError(Exception):
    """What the driver's library raises."""


class FakeNvml(SimpleNamespace):
    """A driver with one GPU that does not answer questions about its temperature."""

    NVMLError = NVMLError
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = "sm", "memory", "gpu"
    NVML_PERF_POLICY_THERMAL, NVML_PERF_POLICY_BOARD_LIMIT, NVML_PERF_POLICY_RELIABILITY = 1, 3, 5
    opened = 0

    def nvmlInit(self):  # noqa: N802
        self.opened += 1

    def nvmlShutdown(self):  # noqa: N802
        self.opened -= 1


def driver(**answers):
    """Returns a fake driver; questions without an answer raise."""

    def refuse(*_arguments):
        raise NVMLError("not supported")

    known = {
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda _handle: b"NVIDIA H200",
        "nvmlDeviceGetUUID": lambda _handle: "GPU-1",
        "nvmlDeviceGetMemoryInfo": lambda _handle: SimpleNamespace(total=150_754_820_096),
        "nvmlSystemGetDriverVersion": lambda: "580.1",
        "nvmlDeviceGetClockInfo": lambda _handle, which: {"sm": 1980, "memory": 3201}[which],
        "nvmlDeviceGetMigMode": refuse,
        "nvmlDeviceGetTemperature": refuse,
        "nvmlDeviceGetViolationStatus": refuse,
        "nvmlDeviceGetCurrentClocksThrottleReasons": lambda _handle: 0,
    }
    return FakeNvml(**{**known, **answers})


def test_a_gpu_is_described_as_far_as_the_driver_answers():
    """Bytes become text, unanswered questions None, and the library is closed again."""
    nvml = driver()
    assert gpus(nvml) == [replace(GPU, temperature_c=None)]
    assert nvml.opened == 0


@pytest.mark.parametrize(
    ("wanted", "uuids"),
    [
        (None, ["GPU-a1", "GPU-b2", "GPU-c3"]),
        ("1", ["GPU-b2"]),
        ("2, 0", ["GPU-c3", "GPU-a1"]),
        ("GPU-b", ["GPU-b2"]),
        ("0,7,1", ["GPU-a1"]),
        ("0,0", []),
        ("1,GPU-", ["GPU-b2"]),
        ("", []),
        ("-1", []),
    ],
)
def test_only_what_cuda_shows_is_this_machine_s(monkeypatch, wanted, uuids):
    """By number or uuid, in the order given, up to the first that is none: CUDA's own rule."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if wanted is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", wanted)
    three = driver(
        nvmlDeviceGetCount=lambda: 3,
        nvmlDeviceGetUUID=lambda handle: ["GPU-a1", "GPU-b2", "GPU-c3"][handle],
    )
    assert [gpu.uuid for gpu in gpus(three)] == uuids


def test_an_instance_is_on_the_board_that_is_split(monkeypatch):
    """A MIG instance's name does not say on which."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-3e8a")
    two = driver(nvmlDeviceGetCount=lambda: 2, nvmlDeviceGetMigMode=lambda handle: (handle, 0))
    assert [gpu.mig for gpu in gpus(two)] == [True]


def test_a_board_that_hides_its_memory_is_a_board():
    """A split board may refuse; the others, and its own name, are not lost for it."""

    def refuse(_handle):
        raise NVMLError("no permission")

    (result,) = gpus(driver(nvmlDeviceGetMemoryInfo=refuse))
    assert result.memory_bytes is None
    assert identity([result]).gpu_memory_gib == 0


def test_how_long_clocks_were_held_back():
    """Of heat, the board's limits and its reliability the longest, as they may come together.

    The power cap is where a busy GPU runs.
    """
    status = {1: 5, 3: 7, 5: 11}
    seen = driver(
        nvmlDeviceGetViolationStatus=lambda _handle, policy: SimpleNamespace(
            violationTime=status[policy]
        )
    )
    assert gpus(seen)[0].held_back_ns == 11


def test_a_run_from_the_source_has_no_version_of_its_own(monkeypatch):
    """A machine on which nothing is installed saves a run all the same."""

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    result = machine_record(state(), {})["software"]
    assert result["hpml_lab"] is result["torchvision"] is None


def test_a_split_gpu_is_told_apart():
    """A GPU in MIG mode says so."""
    assert gpus(driver(nvmlDeviceGetMigMode=lambda _handle: (1, 1)))[0].mig


def test_no_driver_means_no_gpu():
    """Where the library cannot start, there is no GPU and no error."""

    def refuse():
        raise NVMLError("driver not loaded")

    assert gpus(driver(nvmlInit=refuse)) == []


def test_the_id_is_readable_and_fixed():
    """The id names model and count; the same identity has the same id on any day."""
    assert LAPTOP.id.startswith("some-cpu-3-00ghz-8cpu-")
    assert LAPTOP.id == replace(LAPTOP).id
    assert identity([GPU]).id.startswith("nvidia-h200-1gpu-")


@pytest.mark.parametrize(
    "change",
    [{"cpu": "Other"}, {"cpu_count": 4}, {"memory_gib": 32}, {"gpu": "NVIDIA L4"}, {"mig": True}],
)
def test_another_identity_has_another_id(change):
    """Every part of the identity counts."""
    assert replace(LAPTOP, **change).id != LAPTOP.id


@pytest.mark.parametrize(
    "change",
    [{"uuid": "GPU-2"}, {"driver": "999"}, {"sm_clock_mhz": 345}, {"temperature_c": 80}],
)
def test_live_values_never_enter_the_id(change):
    """Another unit, driver, clock or temperature is the same machine for comparing."""
    assert identity([replace(GPU, **change)]).id == identity([GPU]).id


def test_the_gpu_is_part_of_the_identity():
    """One H200 of 140 GiB."""
    result = identity([GPU])
    assert (result.gpu, result.gpu_count, result.gpu_memory_gib) == ("NVIDIA H200", 1, 140)


def test_the_record_has_the_parts_of_the_contract():
    """id, identity, unit, software, state and ceilings; state before and after."""
    record = machine_record(state(), {"cpu_memory_bytes_per_s": 5e9})
    assert set(record) == {"id", "identity", "unit", "software", "state", "ceilings"}
    assert set(record["state"]) == {"before", "after"}
    assert record["ceilings"] == {"cpu_memory_bytes_per_s": 5e9}
    assert record["id"] == identity().id
    assert record["software"]["torch"].startswith("2.")


def test_an_unknown_processor_is_named_by_its_kind(monkeypatch, tmp_path):
    """Without /proc/cpuinfo the machine's architecture stands in."""
    monkeypatch.setattr(fingerprint, "Path", lambda _path: tmp_path / "missing")
    monkeypatch.setattr(fingerprint.platform, "processor", lambda: "")
    monkeypatch.setattr(fingerprint.platform, "machine", lambda: "riscv64")
    assert identity([]).cpu == "riscv64"
    assert state().governor is None
