"""The edge lab's convolutional networks, trained as in the lab, several random seeds at once."""

from dataclasses import replace

from hpml_lab.claims.checks.edge_outcomes import outcome
from hpml_lab.claims.checks.perceptron import SHIFTED_MLP
from hpml_lab.claims.checks.registry import Finding, decides
from hpml_lab.workloads.edge_training import EdgeTraining

_SEEDS = 5
# From one start, frozen and trained: many images, so that what the kernels are decides.
_FROZEN = EdgeTraining(detectors=True, frozen=True, per_class=100, epochs=10)
_TRAINED = replace(_FROZEN, frozen=False)
_RANDOM = EdgeTraining(per_class=100, epochs=30)
# With more images fewer stripes are missed, and more are turned.
_SHIFTED = EdgeTraining(per_class=10, shifted=True)


@decides("001-4b-why")
def only_the_kernels_differ() -> Finding:
    """Trains the same start with its kernels and without them."""
    frozen, trained = (outcome(of, _SEEDS).accuracy for of in (_FROZEN, _TRAINED))
    evidence = f"100 images a class, {_FROZEN.epochs} epochs from edge detectors: frozen "
    evidence += f"{100 * frozen:.1f} %, trained {100 * trained:.1f} %"
    return Finding(trained > frozen + 0.02, evidence)


@decides("001-4b-premise")
def frozen_falls_behind() -> Finding:
    """Trains fixed edge detectors and random kernels for as many epochs."""
    frozen, trained = (
        outcome(of, _SEEDS).accuracy for of in (replace(_FROZEN, epochs=30), _RANDOM)
    )
    evidence = f"100 images a class, 30 epochs: frozen edge detectors {100 * frozen:.1f} %, "
    evidence += f"random kernels, trained, {100 * trained:.1f} %"
    return Finding(trained > frozen, evidence)


@decides("001-4d-premise")
def what_they_are_confused_with() -> Finding:
    """Trains on one half, and looks at what stripes of the other are called most, if wrong."""
    _, turned, missed = outcome(_SHIFTED, _SEEDS).stripes
    _, turned_mlp, missed_mlp = outcome(SHIFTED_MLP).stripes
    evidence = f"stripes of the other half: the CNN (10 images a class) takes {100 * missed:.0f} % "
    evidence += f"for none and turns {100 * turned:.0f} %, the MLP (50) turns "
    evidence += f"{100 * turned_mlp:.0f} % and takes {100 * missed_mlp:.0f} % for none"
    return Finding(missed > turned and turned_mlp > missed_mlp, evidence)
