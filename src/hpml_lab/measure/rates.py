"""What a device can do at most: rates of arithmetic and of moving bytes, the best of a few calls.

The best and not the typical one: a ceiling is what nothing disturbs, and others' load only lowers
a rate. A rate that cannot be had is None: the dtype has no kernel, or the memory is not there.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from hpml_lab.measure.clock import Clock

REPEATS = 5
SIDES = (1024, 2048, 4096, 8192, 16384)
LONG_CALL_S = 0.02
_COPIED, _ADDED = 2, 3  # buffers that a call reads or writes


def best_call_s(call: Callable[[], object], clock: Clock) -> float:
    """Returns the shortest of `REPEATS` calls in seconds, behind one that is not timed."""
    call()
    return min(_timed_s(call, clock) for _ in range(REPEATS))


def matmul_flops_per_s(device: str, dtype: torch.dtype, clock: Clock) -> float | None:
    """Returns the rate of a product of two square matrices in FLOP/s, 2 n^3 FLOP each.

    n doubles from the first to the last of `SIDES` until a call takes `LONG_CALL_S`; the best rate
    of them counts.
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
    three; what a cache fetches before it writes is not counted.

    Args:
        device: ``cpu`` or ``cuda``.
        size_bytes: of one of three buffers, which together are far more than the caches hold.
        clock: of the device.
    """
    return _available(lambda: _memory_rate(device, size_bytes, clock))


def transfer_bytes_per_s(size_bytes: int, pinned: bool, clock: Clock) -> float | None:
    """Returns the rate of a copy from host memory to the CUDA device in bytes/s.

    Args:
        size_bytes: of the copy; counted once.
        pinned: whether it lies in page-locked memory.
        clock: of the device.
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
    # Values that repeat or vanish would let a GPU run faster than it does on a network's.
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
    there = _written(size_bytes, "cuda")
    here = _written(size_bytes, "cpu")
    here = here.pin_memory() if pinned else here
    call_s = best_call_s(lambda: there.copy_(here, non_blocking=True), clock)
    return there.nbytes / call_s if call_s else None


def _written(size_bytes: int, device: str) -> Tensor:
    # Ones and not zeros: pages that were never written are one and the same page.
    return torch.ones(size_bytes // 4, device=device)
