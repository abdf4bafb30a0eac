"""The NVIDIA GPUs of this machine that are visible to CUDA, read through NVML."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pynvml


@dataclass(frozen=True)
class Gpu:
    """One GPU: model, unit and current state.

    Attributes:
        model: Name that the driver reports.
        uuid: UUID of the unit.
        memory_bytes: Installed memory; None if the driver does not report it, as with MIG.
        mig: Whether the GPU is split into MIG instances.
        driver: Version of the driver.
        sm_clock_mhz: Current clock of the multiprocessors.
        memory_clock_mhz: Current clock of the memory.
        temperature_c: Current temperature in degrees Celsius.
        throttle_reasons: The driver's current bit mask; 0 is none.
        held_back_ns: Total throttled time by the policy (thermal, board limit or reliability) that
            throttled longest.
    """

    model: str
    uuid: str
    memory_bytes: int | None
    mig: bool
    driver: str
    sm_clock_mhz: int | None
    memory_clock_mhz: int | None
    temperature_c: int | None
    throttle_reasons: int | None
    held_back_ns: int | None = None


def gpus(nvml: Any = pynvml) -> list[Gpu]:
    """Returns the GPUs that ``CUDA_VISIBLE_DEVICES`` selects, in its order.

    Its numbers are read in PCI bus order. CUDA's own order begins with the fastest GPU unless
    ``CUDA_DEVICE_ORDER=PCI_BUS_ID``, which matters only for unequal GPUs.

    Args:
        nvml: The NVML library, or a fake.

    Returns:
        An empty list without an NVIDIA driver.
    """
    try:
        with _opened(nvml):
            boards = [_gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError:
        return []
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    return boards if wanted is None else list(_visible(boards, wanted))


def _visible(boards: list[Gpu], wanted: str) -> Iterator[Gpu]:
    """Yields the named GPUs, up to the first name that matches none."""
    names = [name.strip() for name in wanted.split(",")]
    if len(set(names)) < len(names):
        return  # CUDA shows none then
    for name in names:
        number = int(name) if name.isdecimal() else None
        named = [
            gpu
            for index, gpu in enumerate(boards)
            if index == number
            or (name.startswith("GPU-") and gpu.uuid.startswith(name))
            or (name.startswith("MIG-") and gpu.mig)  # its name does not identify the GPU
        ]
        if not named or (len(named) > 1 and not name.startswith("MIG-")):
            return
        yield named[0]


def used_bytes(nvml: Any = pynvml) -> dict[str, int]:
    """Returns the memory in use by all processes in bytes, by UUID of the GPU.

    Args:
        nvml: The NVML library, or a fake.
    """
    try:
        with _opened(nvml):
            handles = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
            readings = {
                _text(nvml.nvmlDeviceGetUUID(handle)): _memory(nvml, handle) for handle in handles
            }
    except nvml.NVMLError:
        return {}
    return {uuid: int(memory.used) for uuid, memory in readings.items() if memory is not None}


def _memory(nvml: Any, handle: Any) -> Any:
    """Returns NVML's memory reading of a GPU; None if it reports none, as with MIG."""
    try:
        return nvml.nvmlDeviceGetMemoryInfo(handle)
    except nvml.NVMLError:
        return None


@contextmanager
def _opened(nvml: Any) -> Iterator[None]:
    nvml.nvmlInit()
    try:
        yield
    finally:
        nvml.nvmlShutdown()


def _gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)

    def ask(question: str, *arguments: object) -> Any:
        try:
            return getattr(nvml, question)(handle, *arguments)
        except nvml.NVMLError:  # many GPUs do not support every query
            return None

    policies = (
        nvml.NVML_PERF_POLICY_THERMAL,
        nvml.NVML_PERF_POLICY_BOARD_LIMIT,
        nvml.NVML_PERF_POLICY_RELIABILITY,
    )
    held_back = [ask("nvmlDeviceGetViolationStatus", policy) for policy in policies]
    known = [int(status.violationTime) for status in held_back if status is not None]
    mig, memory = ask("nvmlDeviceGetMigMode"), _memory(nvml, handle)
    return Gpu(
        model=_text(nvml.nvmlDeviceGetName(handle)),
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        memory_bytes=None if memory is None else int(memory.total),
        mig=bool(mig and mig[0]),
        driver=_text(nvml.nvmlSystemGetDriverVersion()),
        sm_clock_mhz=ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
        memory_clock_mhz=ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
        temperature_c=ask("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
        throttle_reasons=ask("nvmlDeviceGetCurrentClocksThrottleReasons"),
        held_back_ns=max(known, default=None),  # several policies may throttle at once
    )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
