"""Size of the CUDA context: GPU memory in use before the first tensor."""

from typing import Any

import pynvml
import torch

from hpml_lab.measure import machine_cache
from hpml_lab.measure.gpus import used_bytes
from hpml_lab.measure.subprocess_call import in_fresh_process

METHOD = 1  # increment it when the measurement changes
_NAME = "context"


def context_bytes(*, fresh: bool = False) -> int | None:
    """Returns the size of a CUDA context in bytes, measured once in a fresh process.

    It is kept in the cache folder for the machine and its software. No other process may start or
    end on the GPU during the measurement.

    Args:
        fresh: Measure it even if the cache folder has it.

    Returns:
        None without an NVIDIA GPU.

    Raises:
        MeasurementError: if the process fails.
    """
    known: int | None = None if fresh else machine_cache.recall(_NAME, METHOD, int)
    if known is not None:
        return known
    growth = in_fresh_process(context_growth)
    if growth is None:
        return None
    if growth > 0:  # else another process freed more memory meanwhile
        machine_cache.keep(_NAME, METHOD, int(growth))
    return int(growth)


def context_growth(cuda: Any = torch.cuda, nvml: Any = pynvml) -> int | None:
    """Starts CUDA and returns the growth of the GPU memory in use, in bytes.

    Valid only in a process that has not started CUDA.

    Args:
        cuda: `torch.cuda`, or a fake.
        nvml: Reads the memory in use, also before CUDA is started.

    Returns:
        None without an NVIDIA GPU.
    """
    before = used_bytes(nvml)
    if not before or not cuda.is_available():
        return None
    cuda.mem_get_info()  # the first call that needs a context
    after = used_bytes(nvml)
    return max(after[uuid] - before[uuid] for uuid in before)  # on the one GPU that has the context
