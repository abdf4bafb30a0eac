"""The edge lab's MLP 784-50-10-3, trained as in the lab, many random seeds at once.

Each seed has its own images and weights; a product of stacked matrices costs little more than one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from hpml_lab.claims.checks.formulas import show
from hpml_lab.claims.checks.registry import Finding, decides
from hpml_lab.claims.checks.stripes import CLASSES, EVERYWHERE, FAR, NEAR, SIDE, Stripes

SEEDS = 10
_SIZES = (SIDE * SIDE, 50, 10, CLASSES)
_LR, _MOMENTUM, _BATCH = 1e-2, 0.9, 10
_VALIDATION = 50
_CHANCE = 1 / CLASSES


@contextmanager
def one_thread() -> Iterator[None]:
    """Computes with one thread: for such small products, waiting for others only costs time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Perceptrons:
    """Several MLPs of one shape, one per seed, with PyTorch's default initialisation."""

    def __init__(self, seeds: int = SEEDS) -> None:
        generator = torch.Generator().manual_seed(0)
        self.weights: list[Tensor] = []
        for inputs, outputs in pairwise(_SIZES):
            for rows in (inputs, 1):
                uniform = 2 * torch.rand(seeds, rows, outputs, generator=generator) - 1
                self.weights.append((uniform / inputs**0.5).requires_grad_())

    def __call__(self, images: Tensor) -> Tensor:
        """Returns logits (seeds, n, 3) for images (seeds, n, 784)."""
        for matrix, bias in zip(self.weights[::2], self.weights[1::2], strict=True):
            images = torch.baddbmm(bias, images, matrix)
            images = images if matrix is self.weights[-2] else functional.relu(images)
        return images

    def train(self, images: Tensor, labels: Tensor, epochs: int) -> None:
        """Trains for some epochs: SGD, batches of ten, cross-entropy, the order from one seed."""
        optimizer = torch.optim.SGD(self.weights, lr=_LR, momentum=_MOMENTUM)
        generator = torch.Generator().manual_seed(1)
        for _ in range(epochs):
            for batch in torch.randperm(len(labels), generator=generator).split(_BATCH):
                optimizer.zero_grad()
                losses = entropy(self(images[:, batch]), labels[batch])
                losses.mean(1).sum().backward()  # a gradient of its own for each seed
                optimizer.step()


@dataclass(frozen=True)
class Outcome:
    """What the MLPs say about images that they were not trained on, over all seeds.

    Attributes:
        training_accuracy: on the images they were trained on.
        confusion: (3, 3), shares of each class that are called each class.
        loss: mean cross-entropy.
        loss_of_wrong: the same over the wrong answers alone.
    """

    training_accuracy: float
    confusion: Tensor
    loss: float
    loss_of_wrong: float

    @property
    def accuracy(self) -> float:
        """Share of right answers; the classes are equally many."""
        return float(self.confusion.diagonal().mean())


@cache
@one_thread()
def outcomes(
    training: Stripes, validation: Stripes, per_class: int, marks: tuple[int, ...]
) -> list[Outcome]:
    """Trains on one kind of images and looks at another after some numbers of epochs."""
    images, labels = _stacked(training, per_class, 0)
    unseen = _stacked(validation, _VALIDATION, SEEDS)
    networks, seen = Perceptrons(), []
    for before, after in pairwise((0, *marks)):
        networks.train(images, labels, after - before)
        seen.append(_outcome(networks, (images, labels), unseen))
    return seen


def entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns cross-entropies (seeds, n) of logits (seeds, n, 3)."""
    expanded = labels.expand(len(logits), -1)
    losses = functional.cross_entropy(logits.flatten(0, 1), expanded.flatten(), reduction="none")
    return losses.view_as(expanded)


def _outcome(
    networks: Perceptrons, training: tuple[Tensor, Tensor], unseen: tuple[Tensor, Tensor]
) -> Outcome:
    with torch.no_grad():
        fitted = (networks(training[0]).argmax(-1) == training[1]).float().mean()
        logits, labels = networks(unseen[0]), unseen[1]
    losses, said = entropy(logits, labels), logits.argmax(-1)
    called = functional.one_hot(said, CLASSES).float()
    confusion = torch.stack([called[:, labels == c].mean((0, 1)) for c in range(CLASSES)])
    wrong = losses[said != labels]
    return Outcome(float(fitted), confusion, float(losses.mean()), float(wrong.mean()))


def _stacked(kind: Stripes, per_class: int, first_seed: int) -> tuple[Tensor, Tensor]:
    drawn = [kind.images(per_class, first_seed + seed) for seed in range(SEEDS)]
    return torch.stack([images.flatten(1) for images, _ in drawn]), drawn[0][1]


@decides("001-4c-loss")
def _confident_mistakes() -> Finding:
    early, late = outcomes(EVERYWHERE, EVERYWHERE, 10, (30, 100))
    evidence = f"30 and 100 epochs on 10 images a class: {_rising('loss', early.loss, late.loss)}"
    evidence += f", {_rising('accuracy', early.accuracy, late.accuracy)}"
    evidence += f", {_rising('loss of a wrong answer', early.loss_of_wrong, late.loss_of_wrong)}"
    holds = late.loss > early.loss and late.accuracy > early.accuracy
    # Wrong answers alone must carry the rise.
    share = (1 - late.accuracy) * late.loss_of_wrong / late.loss
    holds = holds and late.loss_of_wrong > early.loss_of_wrong and share > 0.9
    return Finding(holds, f"{evidence}, {100 * share:.0f} % of the loss")


@decides("001-4c-gen")
def _only_memorises() -> Finding:
    (outcome,) = outcomes(EVERYWHERE, EVERYWHERE, 100, (30,))
    fitted, unseen = outcome.training_accuracy, outcome.accuracy
    evidence = f"100 images a class: {100 * fitted:.1f} % of those, {100 * unseen:.1f} % of others"
    # Memorised answers would help as little on other images as chance.
    return Finding(unseen - _CHANCE < fitted - unseen, f"{evidence}, chance {100 * _CHANCE:.1f} %")


@decides("001-4d-mlp")
def _tied_to_positions() -> Finding:
    (same,) = outcomes(NEAR, NEAR, 50, (30,))
    (shifted,) = outcomes(NEAR, FAR, 50, (30,))
    evidence = f"trained on the near half: {100 * same.accuracy:.1f} % right there"
    evidence += f", {100 * shifted.accuracy:.1f} % in the far half"
    holds = same.accuracy > 2 * _CHANCE and shifted.accuracy < _CHANCE + 0.02
    return Finding(holds, evidence)


@decides("001-4d-spatial")
def _blind_to_orientation() -> Finding:
    (same,) = outcomes(EVERYWHERE, EVERYWHERE, 100, (30,))
    (shifted,) = outcomes(NEAR, FAR, 50, (30,))
    right, swapped = _orientation(same)
    evidence = f"of stripes {100 * right:.0f} % keep and {100 * swapped:.0f} % change orientation"
    moved = "; in the far half {:.0f} and {:.0f} %".format(
        *(100 * s for s in _orientation(shifted))
    )
    # Whoever cannot tell the two apart takes one for the other as often as not.
    return Finding(swapped > right / 2, evidence + moved)


def _orientation(outcome: Outcome) -> tuple[float, float]:
    table = outcome.confusion
    return float(table[0, 0] + table[1, 1]) / 2, float(table[0, 1] + table[1, 0]) / 2


def _rising(what: str, *values: float) -> str:
    return f"{what} {show(values, 3)}"
