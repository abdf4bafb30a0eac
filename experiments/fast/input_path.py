"""Images a second on one core: image by image, in batches, and on the device; in one process.

    python experiments/fast/input_path.py

Each path is timed in turn, round after round, so that a machine that drifts slows all alike.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch

from hpml_lab.measure.ceilings import memory_bytes_per_s
from hpml_lab.measure.clock import HostClock
from hpml_lab.training.batched import BatchedImages, Draws, ResidentLoader, batched_loader
from hpml_lab.training.images import open_images
from hpml_lab.training.loader import build_transforms, training_loader

IMAGES, BATCH, ROUNDS = 4096, 128, 9


def endless(loader: Any) -> Iterator[Any]:
    """Batches of one epoch after the other."""
    while True:
        yield from loader


def rates(paths: dict[str, tuple[Any, int]]) -> dict[str, float]:
    """Images a second of each path, the median of rounds taken in turn.

    Args:
        paths: by name, a loader and how many of its batches are a round.
    """
    running = {name: (endless(loader), count) for name, (loader, count) in paths.items()}
    seen: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(ROUNDS + 1):
        for name, (batches, count) in running.items():
            seen[name].append(_images_per_s(lambda b=batches, n=count: list(islice(b, n))))
    return {name: statistics.median(values[1:]) for name, values in seen.items()}


def _images_per_s(take: Callable[[], list[Any]]) -> float:
    began_s = time.perf_counter()
    images = sum(len(labels) for _, labels in take())
    return images / (time.perf_counter() - began_s)


def main() -> None:
    """Prints a table."""
    torch.set_num_threads(1)
    images = open_images(*sys.argv[1:2]).first(IMAGES)
    bandwidth = memory_bytes_per_s("cpu", 256 * 2**20, HostClock())
    for side in (32, 224):
        lab, few = build_transforms("lab", side), 4 if side == 32 else 1
        many = 32 if side == 32 else 2
        paths = {
            "image by image": (training_loader(images, BATCH, transform=lab), few),
            "batched": (batched_loader(images, BATCH, image=side), many),
            "batched, channels last": (
                batched_loader(images, BATCH, image=side, channels_last=True), many
            ),
            "resident": (
                ResidentLoader(BatchedImages(images, image=side), Draws(IMAGES, BATCH)), many
            ),
        }  # fmt: skip
        measured = rates(paths)
        # Read as bytes, written as float32: nothing can move less.
        floor = bandwidth / (5 * 3 * side**2)
        for name, rate in measured.items():
            ratio = rate / measured["image by image"]
            print(f"{side:3} px  {name:24} {rate:9,.0f}/s  {ratio:6.1f}x  {rate / floor:6.1%}")


if __name__ == "__main__":
    main()
