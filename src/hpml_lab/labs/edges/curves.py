"""Learning curves of an ensemble of the edge lab, recorded at fixed epochs."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from hpml_lab.labs.edges.ensemble import cross_entropy
from hpml_lab.labs.edges.training import EdgeTrainer, exact_convolutions
from hpml_lab.runs.schema import Learning

POINTS = (0, 1, 3, 10, 20, 30, 60, 100, 150, 200, 250, 300, 400, 500, 600)
_DIGITS = 5
_FIRST = "0.weight"  # weights of the first layer, if it is a convolution


class CurveRecorder:
    """Trains the networks and evaluates them at the epochs `POINTS`; call it once.

    Args:
        trainer: a new trainer.
        kernels: whether to save the first layer's kernels before and after training.

    Attributes:
        samples: number of training images, over all members and epochs.
        device: the trainer's device.
    """

    def __init__(self, trainer: EdgeTrainer, *, kernels: bool = False) -> None:
        images, _ = trainer.training_images
        self.samples = images.shape[0] * images.shape[1] * trainer.training.epochs
        self.device = trainer.device
        self._trainer = trainer
        self._kernels = kernels
        self._start = _kernels(trainer)
        self._seen: list[dict[str, Tensor]] = []

    def __call__(self) -> Learning:
        """Returns the learning curves.

        Metrics are ``accuracy`` and ``loss`` on validation images, ``training_accuracy``, and for
        convolutional networks ``edge_likeness`` (see `edge_likeness`) and ``start_likeness``, the
        mean cosine with the initial kernels. Matrices are ``confusion``, the validation images by
        true class (row) and predicted class, and with `kernels` also ``kernels_before`` and
        ``kernels_after``, one kernel in a row.
        """
        with exact_convolutions():
            return self._learn(points_until(self._trainer.training.epochs))

    def _learn(self, points: list[int]) -> Learning:
        self._look()
        for before, after in pairwise(points):
            self._trainer.train(after - before)
            self._look()
        return Learning(
            seeds=self._trainer.seeds,
            points=[float(point) for point in points],
            metrics={
                name: _rounded(torch.stack([seen[name] for seen in self._seen], 1))
                for name in self._seen[0]
            },
            matrices=self._matrices(),
        )

    @torch.no_grad()
    def _look(self) -> None:
        networks = self._trainer.networks
        images, labels = self._trainer.validation_images
        logits = networks(images)
        trained, training_labels = self._trainer.training_images
        seen = {
            "accuracy": _hits(logits, labels),
            "loss": cross_entropy(logits, labels),
            "training_accuracy": _hits(networks(trained), training_labels),
        }
        kernels = _kernels(self._trainer)
        if kernels is not None and self._start is not None:
            similarity = functional.cosine_similarity(
                kernels.flatten(2), self._start.flatten(2), dim=2
            )
            seen |= {"edge_likeness": edge_likeness(kernels), "start_likeness": similarity.mean(1)}
        self._seen.append(seen)

    @torch.no_grad()
    def _matrices(self) -> dict[str, list[list[list[float]]]]:
        images, labels = self._trainer.validation_images
        matrices = {"confusion": confusion(self._trainer.networks(images).argmax(2), labels)}
        after = _kernels(self._trainer)
        if self._kernels and self._start is not None and after is not None:
            matrices |= {
                "kernels_before": self._start.flatten(2),
                "kernels_after": after.flatten(2),
            }
        return {name: _rounded(values) for name, values in matrices.items()}


def points_until(epochs: int) -> list[int]:
    """Returns the epochs after which a training is evaluated: `POINTS` and the last.

    0 is before training.
    """
    return sorted({point for point in POINTS if point < epochs} | {epochs})


def confusion(predicted: Tensor, labels: Tensor) -> Tensor:
    """Returns the confusion matrix of each member, (members, classes, classes); rows are labels.

    Args:
        predicted: predicted classes, (members, n).
        labels: true classes, (members, n).
    """
    classes = int(labels.max()) + 1
    pairs = functional.one_hot(labels * classes + predicted, classes**2).sum(1)
    return pairs.view(-1, classes, classes).float()


def edge_likeness(kernels: Tensor) -> Tensor:
    """Returns the likeness (members,) of kernels (members, filters, k, k) to edge detectors.

    A detector has a row, or a column, of 1 followed by one of -1. A kernel's likeness is the
    largest absolute cosine with any detector; a member's is the mean over its filters. Random
    kernels of 7 x 7 pixels have a likeness of 0.3.
    """
    # The inner product with a detector is the difference of the sums of neighbouring lines.
    cosines = [
        kernels.sum(dim).diff(dim=2).abs().amax(2) / (2 * kernels.shape[-1]) ** 0.5
        for dim in (2, 3)
    ]
    best: Tensor = torch.maximum(*cosines) / kernels.flatten(2).norm(dim=2)
    return best.mean(1)


def _kernels(trainer: EdgeTrainer) -> Tensor | None:
    """Returns the first layer's kernels (members, filters, k, k); None for a perceptron."""
    weights = trainer.networks.weights.get(_FIRST)
    return None if weights is None else weights.detach()[:, :, 0].clone()


def _hits(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(2) == labels).float().mean(1)


def _rounded(values: Tensor) -> Any:
    """Returns nested lists of numbers, rounded to five decimals."""
    return values.double().cpu().round(decimals=_DIGITS).tolist()
