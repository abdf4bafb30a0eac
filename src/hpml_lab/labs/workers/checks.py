"""Checks of loader workers: the worker counts that were run, and the loader itself."""

import os
import warnings

import numpy as np
from torch.utils.data import DataLoader
from torchvision.datasets import CIFAR10

from hpml_lab.claims import published
from hpml_lab.claims.checking import Finding, decides
from hpml_lab.units import mebibytes


@decides("003-C3-range")
def tried_up_to_64() -> Finding:
    """Reads the worker counts of the table."""
    tried = [int(count) for count in published.run("003-C3").config["workers"]]
    return Finding(max(tried) == 64, f"the table goes from {min(tried)} to {max(tried)}")


@decides("003-C4-label")
def sixteen_workers() -> Finding:
    """Reads the worker counts of the two runs."""
    tried = [str(published.run(run).config["workers"]) for run in ("003-C4-w1", "003-C4-w18")]
    return Finding("16" in tried, f"runs with {' and '.join(tried)} workers")


@decides("003-C4-epochs")
def one_epoch_only() -> Finding:
    """Counts the epochs of the two runs."""
    runs = ("003-C4-w1", "003-C4-w18")
    counts = [len(published.values(run, "train_time")) for run in runs]
    stated = [published.run(run).config["epochs"] for run in runs]
    return Finding(counts == [1, 1] and stated == ["1", "1"], f"{counts} epochs timed")


@decides("003-C4-io")
def items_come_from_a_device() -> Finding:
    """Reads an item of the data set without any file: all images are in memory."""
    images = CIFAR10.__new__(CIFAR10)  # the constructor would read files
    images.data, images.targets = np.zeros((50_000, 32, 32, 3), np.uint8), [0] * 50_000
    images.transform = images.target_transform = None
    try:
        images[49_999]
    except OSError as error:
        return Finding(True, f"an item needs a file: {error}")
    return Finding(
        False, f"an item needs no file: all {mebibytes(images.data.nbytes)} are in memory"
    )


@decides("004-C3-warn")
def warning_of_the_loader() -> Finding:
    """Reads the warning of a loader with more workers than processors."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        DataLoader([0], num_workers=1 + (os.cpu_count() or 1))  # type: ignore[arg-type]
    text = " ".join(str(warning.message) for warning in caught)
    start = text.find("Our suggested max")
    wrong = "GB per worker" in text or "PyTorch bug" in text
    return Finding(wrong, f"it says {text[start : text.find(',', start)]!r}")
