"""How long a case will take, roughly: from its work and the speed of a machine."""

from dataclasses import dataclass

# Tensor cores, TF32, dense: half of what NVIDIA's datasheet of the H200 says with sparsity.
H200_FLOPS_PER_S = 989e12 / 2
# Guesses, to be replaced by what a saved run measured: a step of the lab's ResNet-18 at batch 128
# takes 13 ms in eager mode, which is 7 % of that peak.
SHARE_OF_PEAK = 0.07
PIXEL_S = 100e-6 / 32**2  # of a worker, by the lab's transforms: 100 us for an image of 32 pixels
STEP_S = 1e-3  # that only launches: an edge or dropout network's
CASE_S = 0.5  # whatever it does
NETWORK_S = 1.5  # of one with a ResNet: building, first launches, counting
INTERPRETER_S = 12.0  # torch, CUDA's context and its libraries


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one case does.

    Attributes:
        samples: that are trained on, in all epochs.
        flops_per_sample: forward and backward, multiply-add = 2.
        loaded_pixels: of each sample that a loader prepares, 0 where none does.
        workers: of the loader.
        small_steps: steps of which launching is all the time.
        seconds: that are spent whatever the machine, such as in a compiler.
    """

    samples: int = 0
    flops_per_sample: float = 0.0
    loaded_pixels: int = 0
    workers: int = 0
    small_steps: int = 0
    seconds: float = 0.0


def duration_s(work: Work, peak_flops_per_s: float = H200_FLOPS_PER_S) -> float:
    """Returns the seconds of a case in an interpreter that has started: a rough estimate.

    Computing and loading run side by side, so the slower of the two counts.

    Args:
        work: of the case.
        peak_flops_per_s: of the device's matrix products.
    """
    computing_s = work.samples * work.flops_per_sample / (SHARE_OF_PEAK * peak_flops_per_s)
    loading_s = work.samples * work.loaded_pixels * PIXEL_S / max(1, work.workers)
    network_s = NETWORK_S if work.samples else 0.0
    small_s = work.small_steps * STEP_S
    return CASE_S + network_s + max(computing_s, loading_s) + small_s + work.seconds
