"""The edge lab's convolutional networks, trained as in the lab, several random seeds at once."""

from dataclasses import replace

import torch

from hpml_lab.claims.checks.perceptron import one_thread
from hpml_lab.claims.checks.registry import Finding, decides
from hpml_lab.workloads.edge_trainer import EdgeTrainer
from hpml_lab.workloads.edge_training import EdgeTraining

_SEEDS = range(5)
# From one start, frozen and trained: many images, so that what the kernels are decides.
_FROZEN = EdgeTraining(detectors=True, frozen=True, per_class=100, epochs=10)
_TRAINED = replace(_FROZEN, frozen=False)


@one_thread()
def _accuracy(training: EdgeTraining) -> float:
    """Returns the share of right answers on new images, mean over the seeds."""
    trainer = EdgeTrainer(training, _SEEDS)
    trainer.train(training.epochs)
    images, labels = trainer.validation_images
    with torch.no_grad():
        return float((trainer.networks(images).argmax(2) == labels).float().mean())


@decides("001-4b-why")
def only_the_kernels_differ() -> Finding:
    """Trains the same start with its kernels and without them."""
    frozen, trained = _accuracy(_FROZEN), _accuracy(_TRAINED)
    evidence = f"100 images a class, {_FROZEN.epochs} epochs from edge detectors: frozen "
    evidence += f"{100 * frozen:.1f} %, trained {100 * trained:.1f} %"
    return Finding(trained > frozen + 0.02, evidence)
