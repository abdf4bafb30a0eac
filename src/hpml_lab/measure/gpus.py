"""The NVIDIA GPUs of this machine that CUDA will show, asked without starting it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pynvml


@dataclass(frozen=True)
class Gpu:
    """One GPU: what it is, which one it is, and how it is just now.

    Attributes:
        model: as the driver names it.
        uuid: which one.
        memory_bytes: installed; None where the driver does not say, as of a board that is split.
        mig: whether it is split into instances.
        driver: version of the driver.
        sm_clock_mhz: of the multiprocessors, now.
        memory_clock_mhz: of the memory, now.
        temperature_c: now.
        throttle_reasons: the driver's bit mask, now; 0 is none.
        held_back_ns: for how long in all clocks were held back by that of heat, the board's limits
            and its reliability which did so longest.
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
    """Returns the GPUs that ``CUDA_VISIBLE_DEVICES`` leaves, in its order.

    Its numbers are taken in the driver's order, by bus. CUDA's own begins with the fastest unless
    ``CUDA_DEVICE_ORDER=PCI_BUS_ID``, which makes a difference where boards differ.

    Args:
        nvml: the library to ask.

    Returns:
        an empty list where there is no NVIDIA driver.
    """
    try:
        with _opened(nvml):
            found = [_gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError:
        return []
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    return found if wanted is None else list(_visible(found, wanted))


def _visible(found: list[Gpu], wanted: str) -> Iterator[Gpu]:
    """Yields the boards that are named, up to the first name that is not that of one."""
    names = [name.strip() for name in wanted.split(",")]
    if len(set(names)) < len(names):
        return  # CUDA takes none then
    for name in names:
        number = int(name) if name.isdecimal() else None
        named = [
            gpu
            for index, gpu in enumerate(found)
            if index == number
            or (name.startswith("GPU-") and gpu.uuid.startswith(name))
            or (name.startswith("MIG-") and gpu.mig)  # an instance; its board is not in the name
        ]
        if not named or (len(named) > 1 and not name.startswith("MIG-")):
            return
        yield named[0]


def used_bytes(nvml: Any = pynvml) -> dict[str, int]:
    """Returns how much of each GPU's memory is in use by all programs, by the GPU's uuid.

    Args:
        nvml: the library to ask.
    """
    try:
        with _opened(nvml):
            handles = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
            found = {
                _text(nvml.nvmlDeviceGetUUID(handle)): _memory(nvml, handle) for handle in handles
            }
    except nvml.NVMLError:
        return {}
    return {uuid: int(memory.used) for uuid, memory in found.items() if memory is not None}


def _memory(nvml: Any, handle: Any) -> Any:
    """Returns what the driver says of a board's memory; None if it refuses, as of a split one."""
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
        except nvml.NVMLError:  # many boards leave some questions unanswered
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
        held_back_ns=max(known, default=None),  # they may be at work at once
    )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
