"""What CUDA takes of a GPU before the first tensor."""

from typing import Any

import pynvml
import torch

from hpml_lab.measure import kept
from hpml_lab.measure.fresh import in_fresh_process
from hpml_lab.measure.gpus import used_bytes

METHOD = 1  # raise it when what is measured, or how, changes
_NAME = "context"


def context_bytes(*, fresh: bool = False) -> int | None:
    """Returns the bytes that CUDA's context takes, measured in a fresh process once.

    They are kept in the cache folder for the machine and its software. Nothing else may start or
    end on the GPU while they are measured.

    Args:
        fresh: measure them even if they are known.

    Returns:
        None without an NVIDIA GPU.

    Raises:
        MeasurementError: if the process fails.
    """
    known: int | None = None if fresh else kept.recall(_NAME, METHOD, int)
    if known is not None:
        return known
    found = in_fresh_process(context_growth)
    if found is None:
        return None
    if found > 0:  # else something else has let go of more meanwhile
        kept.keep(_NAME, METHOD, int(found))
    return int(found)


def context_growth(cuda: Any = torch.cuda, nvml: Any = pynvml) -> int | None:
    """Starts CUDA and returns by how much more of a GPU is then in use, in bytes.

    Means something only in a process that has not started CUDA.

    Args:
        cuda: what to start.
        nvml: who says what is in use, also before CUDA is started.

    Returns:
        None without an NVIDIA GPU.
    """
    before = used_bytes(nvml)
    if not before or not cuda.is_available():
        return None
    cuda.mem_get_info()  # the first call that needs a context
    after = used_bytes(nvml)
    return max(after[uuid] - before[uuid] for uuid in before)  # of the one GPU that has it
