"""Checks of the edge lab: predictions of its networks on images not trained on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from hpml_lab.claims.checking import Finding, decides, show
from hpml_lab.labs.edges.curves import confusion
from hpml_lab.labs.edges.networks import edge_detector
from hpml_lab.labs.edges.stripes import Generator, Part, edge_images, fixed_order, place
from hpml_lab.labs.edges.training import VALIDATION, EdgeTrainer, EdgeTraining
from hpml_lab.theory.stripes import accuracy_ceiling, empty_share


@contextmanager
def one_thread() -> Iterator[None]:
    """Limits torch to one thread; for such small products more threads only add waiting."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Outcome:
    """Results of a configuration's networks on new images, over all seeds.

    Attributes:
        training_accuracy: accuracy on the training images.
        confusion: (classes, classes), shares of each true class (row) by predicted class.
        loss: mean cross-entropy.
        loss_of_wrong: mean cross-entropy of the wrong answers alone.
    """

    training_accuracy: float
    confusion: Tensor
    loss: float
    loss_of_wrong: float

    @property
    def accuracy(self) -> float:
        """Share of right answers; all classes have equally many images."""
        return float(self.confusion.diagonal().mean())

    @property
    def stripes(self) -> tuple[float, float, float]:
        """Shares of stripes classified right, with swapped orientation, and as none."""
        right, turned, missed = (
            float(self.confusion[0, a] + self.confusion[1, b]) / 2
            for a, b in ((0, 1), (1, 0), (2, 2))
        )
        return right, turned, missed


@cache
@one_thread()
def outcome(training: EdgeTraining, seeds: int = 10, *, at_home: bool = False) -> Outcome:
    """Trains all epochs and evaluates on new images.

    Args:
        training: the configuration.
        seeds: number of networks.
        at_home: whether the new images' stripes are near index 0, like the training images of a
            shifted configuration.
    """
    trainer = EdgeTrainer(training, range(seeds))
    trainer.train(training.epochs)
    images, labels = trainer.validation_images
    if at_home:
        near = place(training.generator, "near")
        drawn = [edge_images(near, training.classes, VALIDATION, 2 * s + 1) for s in range(seeds)]
        images = torch.stack([batch for batch, _ in drawn])
    with torch.no_grad():
        known, theirs = trainer.training_images
        fitted = (trainer.networks(known).argmax(2) == theirs).float().mean()
        logits = trainer.networks(images)
    predicted = logits.argmax(2)
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    shares = confusion(predicted, labels).mean(0) / VALIDATION
    wrong = losses[(predicted != labels).flatten()]
    return Outcome(float(fitted), shares, float(losses.mean()), float(wrong.mean()))


_MLP = EdgeTraining(network="mlp", epochs=30)
MLP_100 = replace(_MLP, per_class=100)
SHIFTED_MLP = replace(_MLP, per_class=50, shifted=True)
_CHANCE = 1 / 3


@decides("001-4c-loss")
def _confident_mistakes() -> Finding:
    early, late = (outcome(replace(_MLP, per_class=10, epochs=epochs)) for epochs in (30, 100))
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
    many = outcome(MLP_100)
    fitted, unseen = many.training_accuracy, many.accuracy
    evidence = f"100 images a class: {100 * fitted:.1f} % of those, {100 * unseen:.1f} % of others"
    # Memorised answers would help as little on other images as chance.
    return Finding(unseen - _CHANCE < fitted - unseen, f"{evidence}, chance {100 * _CHANCE:.1f} %")


@decides("001-4d-mlp")
def _tied_to_positions() -> Finding:
    same, shifted = outcome(SHIFTED_MLP, at_home=True), outcome(SHIFTED_MLP)
    evidence = f"trained on the near half: {100 * same.accuracy:.1f} % right there"
    evidence += f", {100 * shifted.accuracy:.1f} % in the far half"
    holds = same.accuracy > 2 * _CHANCE and shifted.accuracy < _CHANCE + 0.02
    return Finding(holds, evidence)


@decides("001-4d-spatial")
def _blind_to_orientation() -> Finding:
    same, shifted = outcome(MLP_100), outcome(SHIFTED_MLP)
    right, swapped, _ = same.stripes
    evidence = f"of stripes {100 * right:.0f} % keep and {100 * swapped:.0f} % change orientation"
    kept, turned, _ = shifted.stripes
    evidence += f"; in the far half {100 * kept:.0f} and {100 * turned:.0f} %"
    # A network blind to orientation confuses the two as often as not.
    return Finding(swapped > right / 2, evidence)


def _rising(name: str, *values: float) -> str:
    return f"{name} {show(values, 3)}"


_CNN_SEEDS = 5
# Frozen and trained from the same start; many images, so that only the kernels matter.
_FROZEN = EdgeTraining(detectors=True, frozen=True, per_class=100, epochs=10)
_TRAINED = replace(_FROZEN, frozen=False)
_RANDOM = EdgeTraining(per_class=100, epochs=30)
# With more images fewer stripes are missed, and more are turned.
_SHIFTED = EdgeTraining(per_class=10, shifted=True)


@decides("001-4b-why")
def only_the_kernels_differ() -> Finding:
    """Trains from the same start with trainable and with frozen kernels."""
    frozen, trained = (outcome(training, _CNN_SEEDS).accuracy for training in (_FROZEN, _TRAINED))
    evidence = f"100 images a class, {_FROZEN.epochs} epochs from edge detectors: frozen "
    evidence += f"{100 * frozen:.1f} %, trained {100 * trained:.1f} %"
    return Finding(trained > frozen + 0.02, evidence)


@decides("001-4b-premise")
def frozen_falls_behind() -> Finding:
    """Trains fixed edge detectors and random kernels for the same number of epochs."""
    frozen, trained = (
        outcome(training, _CNN_SEEDS).accuracy
        for training in (replace(_FROZEN, epochs=30), _RANDOM)
    )
    evidence = f"100 images a class, 30 epochs: frozen edge detectors {100 * frozen:.1f} %, "
    evidence += f"random kernels, trained, {100 * trained:.1f} %"
    return Finding(trained > frozen, evidence)


@decides("001-4d-premise")
def what_they_are_confused_with() -> Finding:
    """Trains on one half and finds the most frequent mistake on stripes of the other half."""
    _, turned, missed = outcome(_SHIFTED, _CNN_SEEDS).stripes
    _, turned_mlp, missed_mlp = outcome(SHIFTED_MLP).stripes
    evidence = f"stripes of the other half: the CNN (10 images a class) takes {100 * missed:.0f} % "
    evidence += f"for none and turns {100 * turned:.0f} %, the MLP (50) turns "
    evidence += f"{100 * turned_mlp:.0f} % and takes {100 * missed_mlp:.0f} % for none"
    return Finding(missed > turned and turned_mlp > missed_mlp, evidence)


_FILTERS, _PER_CLASS, _CLASSES = 20, 400, 3
_SEEDS = range(3)


def _images(seed: int, *, permute: bool) -> tuple[Tensor, Tensor]:
    """Returns images (n, 1, 28, 28), their pixels permuted if `permute`, and labels."""
    order = fixed_order(0) if permute else None
    return edge_images(place(2023), _CLASSES, _PER_CLASS, seed, order)


def neighbours(images: Tensor, distance: int = 1) -> float:
    """Returns the correlation of horizontal or vertical neighbours at a distance in pixels."""
    centred = images - images.mean(0)
    horizontal = (centred[:, :, distance:] * centred[:, :, :-distance]).mean()
    vertical = (centred[:, distance:] * centred[:, :-distance]).mean()
    return float((horizontal + vertical) / 2 / centred.square().mean())


def any_two(images: Tensor) -> float:
    """Returns the mean correlation of all pairs of pixels."""
    flat = (images - images.mean(0)).flatten(1)
    pairs = flat.shape[1] * (flat.shape[1] - 1)
    return float((flat.sum(1).square().mean() - flat.square().sum(1).mean()) / pairs / flat.var())


@cache
@one_thread()
def local_accuracy(kernel: int, permute: bool) -> float:
    """Returns the accuracy of a linear classifier on position-free local features."""
    filters = torch.rand(_FILTERS, 1, kernel, kernel, generator=torch.Generator().manual_seed(0))
    samples = []
    for seed in (0, 1):
        images, labels = _images(seed, permute=permute)
        padded = functional.pad(images, (kernel // 2,) * 4, mode="reflect")
        responses = functional.conv2d(padded, (2 * filters - 1) / kernel)
        samples.append((functional.relu(responses).mean((2, 3)).double(), labels))
    return _linear_accuracy(*samples)


def _linear_accuracy(training: tuple[Tensor, Tensor], unseen: tuple[Tensor, Tensor]) -> float:
    mean, scale = training[0].mean(0), training[0].std(0)
    inputs, others = (training[0] - mean) / scale, (unseen[0] - mean) / scale
    weights = torch.zeros(inputs.shape[1], _CLASSES, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(_CLASSES, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimizer.zero_grad()
        value = functional.cross_entropy(inputs @ weights + bias, training[1])
        value = value + 1e-5 * weights.square().sum()
        value.backward()
        return float(value.detach())

    optimizer.step(loss)
    return float(((others @ weights + bias).argmax(1) == unseen[1]).double().mean())


@one_thread()
def _mlp_difference() -> float:
    """Returns the largest difference between the logits of two MLPs after the same training.

    One MLP sees the pixels in order. The other sees them permuted and starts with its first weights
    permuted likewise, which is as likely a start as any.
    """
    training = EdgeTraining(network="mlp", per_class=10, epochs=30)
    plain, other = (EdgeTrainer(replace(training, permuted=on), _SEEDS) for on in (False, True))
    with torch.no_grad():
        for seed, weight in enumerate(other.networks.weights["1.weight"]):
            weight.copy_(plain.networks.weights["1.weight"][seed][:, fixed_order(seed)])
    for trainer in (plain, other):
        trainer.train(training.epochs)
    with torch.no_grad():
        logits = [trainer.networks(trainer.validation_images[0]) for trainer in (plain, other)]
    return float((logits[0] - logits[1]).abs().max())


@decides("001-4e-observe")
def _worse_than_the_mlp() -> Finding:
    plain, after = local_accuracy(7, False), local_accuracy(7, True)
    mlp = outcome(MLP_100)
    difference = _mlp_difference()
    evidence = f"position-free local features fall from {100 * plain:.1f} to {100 * after:.1f} %"
    evidence += f"; the MLP's {100 * mlp.accuracy:.1f} % stay: logits differ by {difference:.1g}"
    holds = after < plain - 0.1 and after < mlp.accuracy and difference < 1e-3
    return Finding(holds, evidence)


@decides("001-4e-why")
def _weak_correlations() -> Finding:
    stripes, permuted = (
        images[labels < _CLASSES - 1, 0]
        for images, labels in (_images(0, permute=on) for on in (False, True))
    )
    before, after = ([neighbours(group, d) for d in (1, 2, 3)] for group in (stripes, permuted))
    accuracies = [local_accuracy(kernel, True) for kernel in (3, 7)]
    evidence = f"pixels 1, 2 and 3 apart correlate by {show(before, 2)}, permuted {show(after, 2)}"
    evidence += f", any two by {any_two(stripes):.2f}; 3 x 3 and 7 x 7 {show(accuracies, 3)} right"
    weak = abs(after[0] - any_two(stripes)) < 0.05 and after[0] < before[0] / 2
    return Finding(weak and abs(accuracies[0] - accuracies[1]) < 0.1, evidence)


_FILTER = 7
_PARTS: tuple[Part, ...] = ("everywhere", "near", "far")


def never_empty(generator: Generator) -> Finding:
    """Decides whether each image labelled as an edge has one."""
    places = [place(generator, part) for part in _PARTS]
    shares = [empty_share(p.first, p.end if p.cut else p.end - 1, p.end) for p in places]
    best = accuracy_ceiling(3, shares[0])
    evidence = f"empty stripes: {', '.join(map(str, shares))} of all"
    return Finding(not any(shares), f"{evidence}; no accuracy above {100 * float(best):.1f} %")


@decides("001-4-ceiling")
def _edges_are_there() -> Finding:
    return never_empty(2023)


@decides("001-4b-untrained")
def _random_kernels() -> Finding:
    kernels = torch.stack([_fresh_kernel(seed) for seed in range(200)])
    edge = edge_detector(_FILTER)
    likeness = [functional.cosine_similarity(kernels, t.flatten(), dim=1) for t in (edge, edge.T)]
    means = [float(values.mean()) for values in likeness]
    deviation = float(torch.cat(likeness).std())
    evidence = f"200 fresh 7 x 7 kernels lie within {kernels.abs().max():.3f}; likeness to edges"
    # The cosine of independent weights with any template has standard deviation 1/7.
    holds = max(map(abs, means)) < 0.05 and abs(deviation * _FILTER - 1) < 0.2
    return Finding(holds, f"{evidence} {show(means, 2)} on average, deviation {deviation:.3f}")


def _fresh_kernel(seed: int) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Conv2d(1, 1, _FILTER).weight.detach().flatten()
