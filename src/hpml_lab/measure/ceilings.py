"""Peak rates of a device: arithmetic and memory bandwidth, each the best of a few calls.

The best call and not the median: load by other processes only lowers a rate. A rate that cannot be
measured is None: the dtype has no kernel, or there is too little memory.
"""

import contextlib
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import psutil
import torch
from torch import Tensor

from hpml_lab.measure import machine_cache
from hpml_lab.measure.clock import Clock, clock_for
from hpml_lab.measure.subprocess_call import in_fresh_process

REPEATS = 5
SIDES = (1024, 2048, 4096, 8192, 16384)
LONG_CALL_S = 0.02
_COPIED, _ADDED = 2, 3  # buffers that a call reads or writes


def best_call_s(call: Callable[[], object], clock: Clock) -> float:
    """Returns the shortest time of `REPEATS` calls in seconds, after one that is not timed."""
    call()
    return min(_timed_s(call, clock) for _ in range(REPEATS))


def matmul_flops_per_s(device: str, dtype: torch.dtype, clock: Clock) -> float | None:
    """Returns the rate of a product of two square matrices in FLOP/s, at 2 n^3 FLOP per product.

    n doubles from the first to the last of `SIDES` until a call takes `LONG_CALL_S`; the best rate
    counts.
    """
    rates: list[float] = []
    for side in SIDES:
        call_s = _available(partial(_matmul_s, device, dtype, side, clock))
        if not call_s:
            break
        rates.append(2 * side**3 / call_s)
        if call_s >= LONG_CALL_S:
            break
    return max(rates, default=None)


def memory_bytes_per_s(device: str, size_bytes: int, clock: Clock) -> float | None:
    """Returns the bandwidth of a device's memory in bytes/s: the better of copy and triad.

    As in STREAM (J. D. McCalpin, 1995), a copy a = b moves two buffers and a triad a = b + s c
    three; write-allocate traffic of the caches is not counted.

    Args:
        device: ``cpu`` or ``cuda``.
        size_bytes: Size of one of the three buffers; together they far exceed the caches.
        clock: Clock of the device.
    """
    return _available(lambda: _memory_rate(device, size_bytes, clock))


def transfer_bytes_per_s(size_bytes: int, pinned: bool, clock: Clock) -> float | None:
    """Returns the rate of a copy from host memory to the CUDA device in bytes/s.

    Args:
        size_bytes: Size of the copy; counted once.
        pinned: Whether the source lies in page-locked memory.
        clock: Clock of the device.
    """
    return _available(lambda: _transfer_rate(size_bytes, pinned, clock))


def _timed_s(call: Callable[[], object], clock: Clock) -> float:
    clock.synchronise()
    began_s = clock.now_s()
    call()
    clock.synchronise()
    return clock.now_s() - began_s


def _available(measure: Callable[[], float | None]) -> float | None:
    try:
        return measure()
    except RuntimeError:  # out of memory, or no such kernel
        return None


def _matmul_s(device: str, dtype: torch.dtype, side: int, clock: Clock) -> float:
    # On constant or zero values a GPU can run faster than on those of a network.
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    product = torch.empty(side, side, device=device, dtype=dtype)
    return best_call_s(partial(torch.mm, left, right, out=product), clock)


def _memory_rate(device: str, size_bytes: int, clock: Clock) -> float | None:
    one, two, three = (_written(size_bytes, device) for _ in range(3))
    copy_s = best_call_s(lambda: one.copy_(two), clock)
    triad_s = best_call_s(lambda: torch.add(two, three, alpha=3.0, out=one), clock)
    if not (copy_s and triad_s):
        return None
    return max(_COPIED * one.nbytes / copy_s, _ADDED * one.nbytes / triad_s)


def _transfer_rate(size_bytes: int, pinned: bool, clock: Clock) -> float | None:
    target = _written(size_bytes, "cuda")
    source = _written(size_bytes, "cpu")
    source = source.pin_memory() if pinned else source
    call_s = best_call_s(lambda: target.copy_(source, non_blocking=True), clock)
    return target.nbytes / call_s if call_s else None


def _written(size_bytes: int, device: str) -> Tensor:
    # Ones and not zeros: pages that were never written all map to one zero page.
    return torch.ones(size_bytes // 4, device=device)


_NAME = "ceilings"
METHOD = 1  # increment it when the measurement changes
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

    They are measured in a fresh interpreter, so that this one keeps no CUDA context or memory.

    Args:
        announce: Called before the measurement, which takes some seconds.
        fresh: Measure them even if the cache folder has them.

    Returns:
        Rates by name, which ends in the unit; None for what could not be measured:
        ``cpu_matmul_float32_flops_per_s``, ``cpu_matmul_bfloat16_flops_per_s`` and
        ``cpu_memory_bytes_per_s``; with CUDA the same for ``cuda``, ``cuda_matmul_float16_...``,
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
    """Returns the ceilings in the cache folder; None if it has none for this machine."""
    known: Ceilings | None = machine_cache.recall(_NAME, METHOD, _Rates)
    return known


def keep(known: Mapping[str, float | None]) -> None:
    """Writes ceilings to the cache folder atomically; an unwritable folder is ignored."""
    machine_cache.keep(_NAME, METHOD, dict(known))


def measure(clocks: Callable[[str], Clock] = clock_for, cuda: Any = torch.cuda) -> Ceilings:
    """Measures the ceilings of this machine in this process, which should be a fresh one.

    Args:
        clocks: Returns the clock of a device.
        cuda: `torch.cuda`, or a fake that says whether a GPU exists.
    """
    rates = _rates_of("cpu", clocks("cpu"), buffer_bytes())
    if cuda.is_available():
        clock = clocks("cuda")
        rates |= _rates_of("cuda", clock, CUDA_BUFFER_BYTES)
        # cuBLAS rounds the inputs of a float32 product when it may.
        torch.backends.cuda.matmul.fp32_precision = "tf32"
        rates["cuda_matmul_tf32_flops_per_s"] = matmul_flops_per_s("cuda", torch.float32, clock)
        for kind in ("pinned", "pageable"):
            rates[f"host_to_device_{kind}_bytes_per_s"] = transfer_bytes_per_s(
                LEAST_BUFFER_BYTES, kind == "pinned", clock
            )
    return rates


def _rates_of(device: str, clock: Clock, size_bytes: int | None) -> Ceilings:
    rates = {
        f"{device}_matmul_{name}_flops_per_s": matmul_flops_per_s(
            device, getattr(torch, name), clock
        )
        for name in _DTYPES[device]
    }
    bandwidth = memory_bytes_per_s(device, size_bytes, clock) if size_bytes else None
    return rates | {f"{device}_memory_bytes_per_s": bandwidth}


def buffer_bytes(caches: Path = Path(_CACHES), available_bytes: int | None = None) -> int | None:
    """Returns the size of one of three buffers that together exceed the last-level caches.

    Together they have four times the size of all last-level caches, so that a copy, which uses two
    of them, has no cache hits from its last pass; each has `LEAST_BUFFER_BYTES` or more.

    Args:
        caches: Folder in which Linux describes the processors.
        available_bytes: Memory that may be used; read from the system if not given.

    Returns:
        None if the three buffers would take more than half of the memory.
    """
    if available_bytes is None:
        available_bytes = psutil.virtual_memory().available
    size = max(LEAST_BUFFER_BYTES, 4 * sum(_largest_caches(caches).values()) // 3)
    return size if 6 * size <= available_bytes else None


def _largest_caches(caches: Path) -> dict[tuple[str, str], int]:
    """Returns the size in bytes of each last-level cache, by level and processors that share it."""
    sizes: dict[tuple[str, str], int] = {}
    for folder in caches.glob("cpu[0-9]*/cache/index[0-9]*"):
        with contextlib.suppress(OSError):
            level, size, shared = (
                (folder / name).read_text().strip() for name in ("level", "size", "shared_cpu_list")
            )
            if matched := re.fullmatch(r"(\d+)([KMG])", size):
                sizes[level, shared] = int(matched[1]) * _KIB[matched[2]]
    last = max((level for level, _ in sizes), default="")
    return {place: size for place, size in sizes.items() if place[0] == last}
