"""What more ranks cost: a step of each, with and without exchanging gradients."""

import functools
import os

import pytest

from hpml_lab.labs.scaling import GROUP
from hpml_lab.scaling.launch import run_ranks, threads_of

NAME = "hpml_lab.training.lab:training"
ROUNDS, TIMEOUT_S = 15, 300.0
RANKS = (1, 2, 4, 8)
WORLDS = [pytest.param(ranks, marks=pytest.mark.world(ranks)) for ranks in RANKS]
# As many for each number of ranks: more ranks are more processors, not fewer threads.
THREADS = threads_of(max(ranks for ranks in RANKS if ranks <= (os.cpu_count() or 1)))


@functools.cache
def launched(world, device, width, images):
    """Returns what the ranks report; both cases of a number of ranks come from one launch."""
    parameters = {"width": width, "images": images, "workers": 0, "device": device}
    job = {
        "workload": NAME, "parameters": parameters, "strategy": "ddp", "rounds": ROUNDS,
        "backend": "gloo" if device == "cpu" else "nccl", "timeout_s": TIMEOUT_S,
    }  # fmt: skip
    return run_ranks(job, world, TIMEOUT_S, threads=THREADS)


@pytest.mark.slow
@pytest.mark.benchmark(group=GROUP)
@pytest.mark.parametrize("gradients", ["exchanged", "kept"])
@pytest.mark.parametrize("ranks", WORLDS)
def test_step(measure, training, ranks, gradients):
    """A batch of each rank under DDP; a round is that of the slowest rank."""
    reports = launched(ranks, training.device, training.width, training.images)
    rounds = [report[f"{gradients}_s"] for report in reports]
    measure.taken([max(of_ranks) for of_ranks in zip(*rounds, strict=True)])
    measure.case |= {"network": training.network, "width": training.width, "strategy": "ddp"}
    measure.case |= {"device": training.device}
    measure.memory["peak_bytes"] = max(report["peak_bytes"] for report in reports)
