"""The roofline: how fast a computation can be that has work to do and bytes to move.

S. Williams, A. Waterman, D. Patterson: Roofline: an insightful visual performance model for
multicore architectures. Communications of the ACM 52(4), 2009.
"""

from dataclasses import dataclass

from hpml_lab.theory.scalars import not_negative, positive

COMPUTE_BOUND = "compute-bound"
MEMORY_BOUND = "memory-bound"


@dataclass(frozen=True)
class Position:
    """Where a measured computation lies under the roof.

    Attributes:
        intensity: FLOP for each byte moved.
        flops_per_s: the rate that was reached, in FLOP/s.
        attainable_flops_per_s: the roof above it; None where a ceiling is unknown.
        fraction: reached over attainable. Above 1 where less is moved than was counted, because a
            cache or a fused kernel kept it; None where a ceiling is unknown.
        bound: `COMPUTE_BOUND` or `MEMORY_BOUND`, which roof it is; None where a ceiling is unknown.
    """

    intensity: float
    flops_per_s: float
    attainable_flops_per_s: float | None
    fraction: float | None
    bound: str | None


def attainable(intensity: float, peak_flops_per_s: float, bytes_per_s: float) -> float:
    """Returns min(peak, intensity * bandwidth) in FLOP/s.

    Args:
        intensity: FLOP for each byte moved, 0 or more.
        peak_flops_per_s: the rate of arithmetic alone.
        bytes_per_s: the bandwidth of the memory.

    Raises:
        InputError: for a ceiling that is not above 0, or an intensity below 0.
    """
    roof = not_negative("intensity", intensity) * positive("bytes_per_s", bytes_per_s)
    return min(positive("peak_flops_per_s", peak_flops_per_s), roof)


def ridge(peak_flops_per_s: float, bytes_per_s: float) -> float:
    """Returns the intensity in FLOP/byte from which on the arithmetic is the bound.

    Raises:
        InputError: for a ceiling that is not above 0.
    """
    return positive("peak_flops_per_s", peak_flops_per_s) / positive("bytes_per_s", bytes_per_s)


def position(
    samples_per_s: float,
    flops_per_sample: float,
    bytes_per_sample: float,
    peak_flops_per_s: float | None,
    bytes_per_s: float | None,
) -> Position:
    """Returns where a computation lies.

    Args:
        samples_per_s: the measured throughput.
        flops_per_sample: the work in one sample.
        bytes_per_sample: what one sample moves.
        peak_flops_per_s: the machine's rate of arithmetic; None if unknown.
        bytes_per_s: the machine's memory bandwidth; None if unknown.

    Raises:
        InputError: for anything not above 0; a throughput or work of 0 is allowed.
    """
    work = not_negative("flops_per_sample", flops_per_sample)
    intensity = work / positive("bytes_per_sample", bytes_per_sample)
    rate = not_negative("samples_per_s", samples_per_s) * work
    if peak_flops_per_s is None or bytes_per_s is None:
        return Position(intensity, rate, None, None, None)
    roof = attainable(intensity, peak_flops_per_s, bytes_per_s)
    bound = COMPUTE_BOUND if intensity >= ridge(peak_flops_per_s, bytes_per_s) else MEMORY_BOUND
    return Position(intensity, rate, roof, rate / roof if roof else None, bound)
