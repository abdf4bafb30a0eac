"""The roofline model: attainable rate of a computation from its FLOP and bytes moved.

S. Williams, A. Waterman, D. Patterson: Roofline: an insightful visual performance model for
multicore architectures. Communications of the ACM 52(4), 2009.
"""

from dataclasses import dataclass

from hpml_lab.theory.validation import check_not_negative, check_positive

COMPUTE_BOUND = "compute-bound"
MEMORY_BOUND = "memory-bound"


@dataclass(frozen=True)
class Position:
    """Position of a measured computation in the roofline plot.

    Attributes:
        intensity: Arithmetic intensity in FLOP per byte moved.
        flops_per_s: Measured rate in FLOP/s.
        attainable_flops_per_s: Roof at this intensity; None if a ceiling is unknown.
        fraction: Measured over attainable rate. Above 1 if fewer bytes are moved than counted,
            because of a cache or a fused kernel; None if a ceiling is unknown.
        bound: `COMPUTE_BOUND` or `MEMORY_BOUND`; None if a ceiling is unknown.
    """

    intensity: float
    flops_per_s: float
    attainable_flops_per_s: float | None
    fraction: float | None
    bound: str | None


def attainable(intensity: float, peak_flops_per_s: float, bytes_per_s: float) -> float:
    """Returns min(peak, intensity * bandwidth) in FLOP/s.

    Args:
        intensity: FLOP per byte moved, 0 or more.
        peak_flops_per_s: Peak rate of arithmetic.
        bytes_per_s: Memory bandwidth.

    Raises:
        InputError: for a ceiling that is not above 0, or an intensity below 0.
    """
    roof = check_not_negative("intensity", intensity) * check_positive("bytes_per_s", bytes_per_s)
    return min(check_positive("peak_flops_per_s", peak_flops_per_s), roof)


def ridge(peak_flops_per_s: float, bytes_per_s: float) -> float:
    """Returns the ridge point: the intensity in FLOP/byte above which compute is the bound.

    Raises:
        InputError: for a ceiling that is not above 0.
    """
    return check_positive("peak_flops_per_s", peak_flops_per_s) / check_positive(
        "bytes_per_s", bytes_per_s
    )


def position(
    samples_per_s: float,
    flops_per_sample: float,
    bytes_per_sample: float,
    peak_flops_per_s: float | None,
    bytes_per_s: float | None,
) -> Position:
    """Returns the position of a computation in the roofline plot.

    Args:
        samples_per_s: Measured throughput.
        flops_per_sample: FLOP per sample.
        bytes_per_sample: Bytes moved per sample.
        peak_flops_per_s: Peak rate of the machine; None if unknown.
        bytes_per_s: Memory bandwidth of the machine; None if unknown.

    Raises:
        InputError: for anything not above 0; a throughput or work of 0 is allowed.
    """
    work = check_not_negative("flops_per_sample", flops_per_sample)
    intensity = work / check_positive("bytes_per_sample", bytes_per_sample)
    rate = check_not_negative("samples_per_s", samples_per_s) * work
    if peak_flops_per_s is None or bytes_per_s is None:
        return Position(intensity, rate, None, None, None)
    roof = attainable(intensity, peak_flops_per_s, bytes_per_s)
    bound = COMPUTE_BOUND if intensity >= ridge(peak_flops_per_s, bytes_per_s) else MEMORY_BOUND
    return Position(intensity, rate, roof, rate / roof if roof else None, bound)
