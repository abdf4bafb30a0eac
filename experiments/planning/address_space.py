"""The largest batch that is planned for a memory, taken on the CPU in a process that has no more.

For each workload the plan says the largest batch whose peak is within a limit. A fresh process
takes a small step, so that libraries and their buffers are there, then lets the kernel give it no
more address space than the limit, and takes two steps of that batch; another one takes those of
the next batch. The first must end well and the second must be refused its memory.

    python experiments/planning/address_space.py
"""

import ctypes
import os
import resource
import subprocess
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from hpml_lab import TrainingStep, plan
from hpml_lab.memory.largest_batch import largest_batch
from hpml_lab.memory.timeline import Timeline
from hpml_lab.training.workload import Workload, workload

MEBIBYTE = 2**20
WORDS, WIDTH, SIDE, CLASSES = 512, 256, 128, 10


def perceptron(batch_size: int = 2) -> TrainingStep:
    """Eight linear layers over 512 rows of 512 features, and Adam."""
    layers = [layer for _ in range(8) for layer in (nn.Linear(512, 512), nn.GELU())]
    model = nn.Sequential(*layers)
    inputs = torch.randn(batch_size, 512, 512)
    return TrainingStep(
        model, torch.optim.Adam(model.parameters()), functional.mse_loss, (inputs, inputs.clone())
    )


def transformer(batch_size: int = 2) -> TrainingStep:
    """Two encoder layers over 512 words of 256 features, and AdamW."""
    layer = nn.TransformerEncoderLayer(WIDTH, 4, 1024, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 2)
    inputs = torch.randn(batch_size, WORDS, WIDTH)
    return TrainingStep(
        model, torch.optim.AdamW(model.parameters()), functional.mse_loss, (inputs, inputs.clone())
    )


def convolutions(batch_size: int = 2) -> TrainingStep:
    """Five convolutions with batch norm on 128 pixels, and SGD with momentum."""
    blocks = [
        nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())
        for _ in range(4)
    ]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES))
    model = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), *blocks, head)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    batch = torch.randn(batch_size, 3, SIDE, SIDE), torch.zeros(batch_size, dtype=torch.long)
    return TrainingStep(model, optimizer, functional.cross_entropy, batch)


WORKLOADS = {"perceptron": perceptron, "transformer": transformer, "convolutions": convolutions}
LIMITS = (400 * MEBIBYTE, 700 * MEBIBYTE, 1000 * MEBIBYTE)
# Every block of a page or more by itself from the kernel, and back to it when it is freed.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "4096", "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "1000000"}


def address_space_bytes() -> int:
    """Returns what this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def take(name: str, batch: int, limit_bytes: int) -> None:
    """Takes two steps within the limit; raises if memory is refused."""
    torch.set_num_threads(1)
    for _ in range(2):
        step = WORKLOADS[name]()
        step()
        del step
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    most = address_space_bytes() + limit_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    step = WORKLOADS[name](batch)
    step()
    step()


def outcome(name: str, batch: int, limit_bytes: int) -> str:
    """Returns how a process of its own ends."""
    done = subprocess.run(
        [sys.executable, __file__, name, str(batch), str(limit_bytes)],
        env=os.environ | MALLOC,
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        return "taken"
    refused = "can't allocate memory" in done.stderr or "MemoryError" in done.stderr
    return "out of memory" if refused else done.stderr.strip().splitlines()[-1]


def main() -> None:
    """Prints a row for each workload and limit."""
    print("| workload | limit, MiB | largest batch | its peak, MiB | taken | next | taken |")
    print("|---|---|---|---|---|---|---|")
    for name in WORKLOADS:
        function = workload(f"{__file__}:{name}")

        def timeline(batch: int, function: Workload = function) -> Timeline:
            return plan(function, batch_size=batch).timeline

        for limit in LIMITS:
            most = largest_batch(timeline, limit)
            peaks = [timeline(batch).peak_bytes / MEBIBYTE for batch in (most, most + 1)]
            ends = [outcome(name, batch, limit) for batch in (most, most + 1)]
            print(
                f"| {name} | {limit // MEBIBYTE} | {most} | {peaks[0]:.1f} | {ends[0]} | "
                f"{peaks[1]:.1f} | {ends[1]} |"
            )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        take(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
