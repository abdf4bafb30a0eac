"""The NVIDIA GPUs of this machine, asked without starting CUDA."""

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
        memory_bytes: installed.
        mig: whether it is split into instances.
        driver: version of the driver.
        sm_clock_mhz: of the multiprocessors, now.
        memory_clock_mhz: of the memory, now.
        temperature_c: now.
        throttle_reasons: the driver's bit mask, now; 0 is none.
    """

    model: str
    uuid: str
    memory_bytes: int
    mig: bool
    driver: str
    sm_clock_mhz: int | None
    memory_clock_mhz: int | None
    temperature_c: int | None
    throttle_reasons: int | None


def gpus(nvml: Any = pynvml) -> list[Gpu]:
    """Returns the GPUs; an empty list where there is no NVIDIA driver.

    Args:
        nvml: the library to ask.
    """
    try:
        with _opened(nvml):
            return [_gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError:
        return []


def used_bytes(nvml: Any = pynvml) -> dict[str, int]:
    """Returns how much of each GPU's memory is in use by all programs, by the GPU's uuid.

    Args:
        nvml: the library to ask.
    """
    try:
        with _opened(nvml):
            handles = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
            return {
                _text(nvml.nvmlDeviceGetUUID(handle)): int(
                    nvml.nvmlDeviceGetMemoryInfo(handle).used
                )
                for handle in handles
            }
    except nvml.NVMLError:
        return {}


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

    mig = ask("nvmlDeviceGetMigMode")
    return Gpu(
        model=_text(nvml.nvmlDeviceGetName(handle)),
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        memory_bytes=int(nvml.nvmlDeviceGetMemoryInfo(handle).total),
        mig=bool(mig and mig[0]),
        driver=_text(nvml.nvmlSystemGetDriverVersion()),
        sm_clock_mhz=ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
        memory_clock_mhz=ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
        temperature_c=ask("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
        throttle_reasons=ask("nvmlDeviceGetCurrentClocksThrottleReasons"),
    )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
