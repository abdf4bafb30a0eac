"""The ceilings of this machine: measured in seconds, once for a machine and its software."""

import contextlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import psutil
import torch

from hpml_lab.measure import kept
from hpml_lab.measure.clock import Clock, clock_for
from hpml_lab.measure.fresh import in_fresh_process
from hpml_lab.measure.rates import matmul_flops_per_s, memory_bytes_per_s, transfer_bytes_per_s

_NAME = "ceilings"
METHOD = 1  # raise it when what is measured, or how, changes
TIMEOUT_S = 120.0
LEAST_BUFFER_BYTES = 256 * 2**20
CUDA_BUFFER_BYTES = 2**30
_CACHES = "/sys/devices/system/cpu"
_DTYPES = {"cpu": ("float32", "bfloat16"), "cuda": ("float32", "bfloat16", "float16")}
_KIB = {"K": 2**10, "M": 2**20, "G": 2**30}

Ceilings = dict[str, float | None]
_Rates = dict[str, Annotated[float, msgspec.Meta(gt=0)] | None]


def ceilings(announce: Callable[[], object] = lambda: None, *, fresh: bool = False) -> Ceilings:
    """Returns this machine's ceilings, from the cache folder or measured now.

    They are measured in a fresh interpreter, so that nothing of it stays in this one.

    Args:
        announce: called before they are measured, which takes some seconds.
        fresh: measure them even if they are known.

    Returns:
        by name, which ends in the unit; None for what could not be measured:
        ``cpu_matmul_float32_flops_per_s``, ``cpu_matmul_bfloat16_flops_per_s`` and
        ``cpu_memory_bytes_per_s``; with CUDA the same of ``cuda``, ``cuda_matmul_float16_...``,
        ``cuda_matmul_tf32_...``, ``host_to_device_pinned_bytes_per_s`` and
        ``host_to_device_pageable_bytes_per_s``.

    Raises:
        MeasurementError: if they cannot be measured.
    """
    known = None if fresh else recall()
    if known is None:
        announce()
        known = in_fresh_process(measure, timeout_s=TIMEOUT_S)
        keep(known)
    return known


def recall() -> Ceilings | None:
    """Returns the ceilings in the cache folder; None if there are none that can be used."""
    known: Ceilings | None = kept.recall(_NAME, METHOD, _Rates)
    return known


def keep(found: Mapping[str, float | None]) -> None:
    """Puts ceilings into the cache folder, whole or not at all; a folder that refuses is left."""
    kept.keep(_NAME, METHOD, dict(found))


def measure(clocks: Callable[[str], Clock] = clock_for, cuda: Any = torch.cuda) -> Ceilings:
    """Measures the ceilings of this machine in this process, which should be a fresh one.

    Args:
        clocks: gives the clock of a device.
        cuda: who says whether there is a GPU.
    """
    found = _of("cpu", clocks("cpu"), buffer_bytes())
    if cuda.is_available():
        clock = clocks("cuda")
        found |= _of("cuda", clock, CUDA_BUFFER_BYTES)
        # cuBLAS rounds the inputs of a float32 product when it may.
        torch.backends.cuda.matmul.fp32_precision = "tf32"
        found["cuda_matmul_tf32_flops_per_s"] = matmul_flops_per_s("cuda", torch.float32, clock)
        for kind in ("pinned", "pageable"):
            found[f"host_to_device_{kind}_bytes_per_s"] = transfer_bytes_per_s(
                LEAST_BUFFER_BYTES, kind == "pinned", clock
            )
    return found


def _of(device: str, clock: Clock, size_bytes: int | None) -> Ceilings:
    found = {
        f"{device}_matmul_{name}_flops_per_s": matmul_flops_per_s(
            device, getattr(torch, name), clock
        )
        for name in _DTYPES[device]
    }
    bandwidth = memory_bytes_per_s(device, size_bytes, clock) if size_bytes else None
    return found | {f"{device}_memory_bytes_per_s": bandwidth}


def buffer_bytes(caches: Path = Path(_CACHES), available_bytes: int | None = None) -> int | None:
    """Returns the size of one of three buffers that the processor's caches cannot hold together.

    Together they have four times the size of all caches of the last level, so that a copy, which
    goes through two of them, finds nothing of its last pass; each has `LEAST_BUFFER_BYTES` or more.

    Args:
        caches: where Linux describes the processors.
        available_bytes: memory that may be used; asked for if not given.

    Returns:
        None if three of them would take more than half of the memory.
    """
    if available_bytes is None:
        available_bytes = psutil.virtual_memory().available
    size = max(LEAST_BUFFER_BYTES, 4 * sum(_largest_caches(caches).values()) // 3)
    return size if 6 * size <= available_bytes else None


def _largest_caches(caches: Path) -> dict[tuple[str, str], int]:
    """Returns the bytes of each cache of the last level, by level and processors that share it."""
    found: dict[tuple[str, str], int] = {}
    for folder in caches.glob("cpu[0-9]*/cache/index[0-9]*"):
        with contextlib.suppress(OSError):
            level, size, shared = (
                (folder / name).read_text().strip() for name in ("level", "size", "shared_cpu_list")
            )
            if matched := re.fullmatch(r"(\d+)([KMG])", size):
                found[level, shared] = int(matched[1]) * _KIB[matched[2]]
    last = max((level for level, _ in found), default="")
    return {place: size for place, size in found.items() if place[0] == last}
