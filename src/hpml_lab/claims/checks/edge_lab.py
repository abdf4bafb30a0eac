"""The edge lab's convolutional networks, trained as in the lab, several random seeds at once."""

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from hpml_lab.claims.checks.formulas import show
from hpml_lab.claims.checks.perceptron import one_thread, outcomes
from hpml_lab.claims.checks.registry import Finding, decides
from hpml_lab.claims.checks.stripes import FAR, NEAR
from hpml_lab.measure.learning import confusion
from hpml_lab.workloads.edge_trainer import EdgeTrainer
from hpml_lab.workloads.edge_training import EdgeTraining

_SEEDS = range(5)
# From one start, frozen and trained: many images, so that what the kernels are decides.
_FROZEN = EdgeTraining(detectors=True, frozen=True, per_class=100, epochs=10)
_TRAINED = replace(_FROZEN, frozen=False)
# The lab's CNN needs hundreds of epochs; one that starts from edge detectors stands in for it.
_SHIFTED = replace(_TRAINED, shifted=True)


@cache
@one_thread()
def shares(training: EdgeTraining) -> Tensor:
    """Returns the share of each class (row) that trained networks call each class, over seeds."""
    trainer = EdgeTrainer(training, _SEEDS)
    trainer.train(training.epochs)
    images, labels = trainer.validation_images
    with torch.no_grad():
        table = confusion(trainer.networks(images).argmax(2), labels).sum(0)
    return table / table.sum(1, keepdim=True)


def _accuracy(training: EdgeTraining) -> float:
    return float(shares(training).diagonal().mean())


@decides("001-4b-why")
def only_the_kernels_differ() -> Finding:
    """Trains the same start with its kernels and without them."""
    frozen, trained = _accuracy(_FROZEN), _accuracy(_TRAINED)
    evidence = f"100 images a class, {_FROZEN.epochs} epochs from edge detectors: frozen "
    evidence += f"{100 * frozen:.1f} %, trained {100 * trained:.1f} %"
    return Finding(trained > frozen + 0.02, evidence)


@decides("001-4d-premise")
def what_stripes_of_the_other_half_are_called() -> Finding:
    """Tells stripes that change their orientation from those that are called none."""
    (perceptron,) = outcomes(NEAR, FAR, 50, (30,))
    cnn, mlp = (_errors(table) for table in (shares(_SHIFTED), perceptron.confusion))
    evidence = "of stripes in the other half, swapped and called none: CNN "
    evidence += f"{show(cnn, 2)}, MLP {show(mlp, 2)}"
    return Finding(cnn[1] > cnn[0] and mlp[0] > mlp[1], evidence)


def _errors(table: Tensor) -> tuple[float, float]:
    """Returns which share of stripes change orientation, and which are called none."""
    return float(table[0, 1] + table[1, 0]) / 2, float(table[:2, 2].mean())
