"""Rough estimate of a case's duration from its work and the speed of the machine."""

from dataclasses import dataclass

# Tensor cores, TF32, dense: half of the rate with sparsity in NVIDIA's datasheet of the H200.
H200_FLOPS_PER_S = 989e12 / 2
# Guesses, to be replaced by values of a saved run: a step of the lab's ResNet-18 at batch 128
# takes 13 ms in eager mode, which is 7 % of that peak.
SHARE_OF_PEAK = 0.07
PIXEL_S = 100e-6 / 32**2  # per worker, with the lab's transforms: 100 us for a 32x32 image
STEP_S = 1e-3  # a step bound by launches, as of an edge or dropout network
CASE_S = 0.5  # fixed cost of any case
NETWORK_S = 1.5  # fixed cost of a ResNet: building, first launches, counting
INTERPRETER_S = 12.0  # start of an interpreter: torch, CUDA's context and its libraries


@dataclass(frozen=True, kw_only=True)
class Work:
    """Work of one case.

    Attributes:
        samples: Samples trained on, in all epochs.
        flops_per_sample: FLOP, forward and backward, multiply-add = 2.
        loaded_pixels: Pixels per sample that a loader prepares; 0 without a loader.
        workers: Workers of the loader.
        small_steps: Number of steps that are bound by launches.
        seconds: Additional seconds that do not depend on the machine, such as compilation.
    """

    samples: int = 0
    flops_per_sample: float = 0.0
    loaded_pixels: int = 0
    workers: int = 0
    small_steps: int = 0
    seconds: float = 0.0


def duration_s(work: Work, peak_flops_per_s: float = H200_FLOPS_PER_S) -> float:
    """Returns a rough estimate of a case's duration in seconds, without interpreter start.

    Computing and loading overlap, so the slower of the two counts.

    Args:
        work: Work of the case.
        peak_flops_per_s: Rate of the device's matrix products.
    """
    computing_s = work.samples * work.flops_per_sample / (SHARE_OF_PEAK * peak_flops_per_s)
    loading_s = work.samples * work.loaded_pixels * PIXEL_S / max(1, work.workers)
    network_s = NETWORK_S if work.samples else 0.0
    small_s = work.small_steps * STEP_S
    return CASE_S + network_s + max(computing_s, loading_s) + small_s + work.seconds
