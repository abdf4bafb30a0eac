"""Accuracy of C6's optimizers and C7's networks after five epochs, on generated and real images.

python experiments/fast/learning.py [FOLDER WITH CIFAR-10]
"""

import statistics
import sys
from typing import Any

from hpml_lab.labs.learning import QUICK, SEEDS
from hpml_lab.measure.clock import HostClock
from hpml_lab.measure.epochs import run_epoch
from hpml_lab.training.images import open_images
from hpml_lab.training.trainer import Trainer
from hpml_lab.training.training import Training

EPOCHS = 5
CASES: list[dict[str, Any]] = [
    *({"optimizer": name} for name in ("sgd-momentum", "nesterov", "adagrad", "adadelta", "adam")),
    {"batch_norm": False},
]


def main() -> None:
    """Prints a line for each case."""
    images = open_images(*sys.argv[1:2])
    for case in CASES:
        shares = []
        for seed in SEEDS["quick"]:
            trainer = Trainer(Training(width=8, seed=seed, **QUICK, **case), images)
            epochs = [
                run_epoch(trainer, HostClock(), index, timing="throughput")
                for index in range(1, EPOCHS + 1)
            ]
            shares.append(100 * epochs[-1].accuracy)
        mean, deviation = statistics.fmean(shares), statistics.stdev(shares)
        print(f"{images.source} {case}: {mean:.1f} ± {deviation:.1f} %", flush=True)


if __name__ == "__main__":
    main()
