"""The edge lab under one fixed permutation of all pixels: what it takes from which network.

Stands in for the trained CNN: fixed random filters, ReLU, the mean over the image, and the best
linear classifier on them. It has the CNN's two properties, local filters and no positions.
"""

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from hpml_lab.claims.checks.edge_outcomes import one_thread, outcome
from hpml_lab.claims.checks.formulas import show
from hpml_lab.claims.checks.perceptron import MLP_100
from hpml_lab.claims.checks.registry import Finding, decides
from hpml_lab.workloads.edge_trainer import EdgeTrainer
from hpml_lab.workloads.edge_training import EdgeTraining
from hpml_lab.workloads.edges import edge_images, fixed_order, place

_FILTERS, _PER_CLASS, _CLASSES = 20, 400, 3
_SEEDS = range(3)


def _images(seed: int, *, permute: bool) -> tuple[Tensor, Tensor]:
    """Returns images (n, 1, 28, 28) and labels, the pixels of all in one other order if asked."""
    order = fixed_order(0) if permute else None
    return edge_images(place(2023), _CLASSES, _PER_CLASS, seed, order)


def neighbours(images: Tensor, distance: int = 1) -> float:
    """Returns the correlation of pixels beside or below each other at a distance."""
    centred = images - images.mean(0)
    beside = (centred[:, :, distance:] * centred[:, :, :-distance]).mean()
    below = (centred[:, distance:] * centred[:, :-distance]).mean()
    return float((beside + below) / 2 / centred.square().mean())


def any_two(images: Tensor) -> float:
    """Returns the mean correlation of all pairs of pixels, near or far."""
    flat = (images - images.mean(0)).flatten(1)
    pairs = flat.shape[1] * (flat.shape[1] - 1)
    return float((flat.sum(1).square().mean() - flat.square().sum(1).mean()) / pairs / flat.var())


@cache
@one_thread()
def local_accuracy(kernel: int, permute: bool) -> float:
    """Returns the share of new images that position-free local features tell right."""
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
    """Returns how far the logits of two MLPs are apart after the same training.

    One sees the pixels in order, the other permuted and with its first weights permuted likewise:
    as likely a start as any.
    """
    training = EdgeTraining(network="mlp", per_class=10, epochs=30)
    plain, other = (EdgeTrainer(replace(training, permuted=on), _SEEDS) for on in (False, True))
    with torch.no_grad():
        for seed, weight in enumerate(other.networks.weights["1.weight"]):
            weight.copy_(plain.networks.weights["1.weight"][seed][:, fixed_order(seed)])
    for trainer in (plain, other):
        trainer.train(training.epochs)
    with torch.no_grad():
        said = [trainer.networks(trainer.validation_images[0]) for trainer in (plain, other)]
    return float((said[0] - said[1]).abs().max())


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
    stripes, moved = (
        images[labels < _CLASSES - 1, 0]
        for images, labels in (_images(0, permute=on) for on in (False, True))
    )
    before, after = ([neighbours(of, d) for d in (1, 2, 3)] for of in (stripes, moved))
    accuracies = [local_accuracy(kernel, True) for kernel in (3, 7)]
    evidence = f"pixels 1, 2 and 3 apart correlate by {show(before, 2)}, permuted {show(after, 2)}"
    evidence += f", any two by {any_two(stripes):.2f}; 3 x 3 and 7 x 7 {show(accuracies, 3)} right"
    weak = abs(after[0] - any_two(stripes)) < 0.05 and after[0] < before[0] / 2
    return Finding(weak and abs(accuracies[0] - accuracies[1]) < 0.1, evidence)
