"""What an ensemble of the edge lab learns, read at some epochs on the way."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from hpml_lab.measure.record import Learning
from hpml_lab.workloads.edge_trainer import EdgeTrainer, exact_convolutions
from hpml_lab.workloads.ensemble import cross_entropy

POINTS = (0, 1, 3, 10, 20, 30, 60, 100, 150, 200, 250, 300, 400, 500, 600)
_DIGITS = 5
_FIRST = "0.weight"  # of the first layer, where it is a convolution


class Lesson:
    """Trains the networks to the end and looks at them on the way; call it once.

    Args:
        trainer: freshly made.
        kernels: whether the first layer's kernels are kept, from before and after.

    Attributes:
        samples: images that are trained on, of all members and epochs.
        device: where that happens.
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
        """Returns what was learnt.

        Metrics are ``accuracy`` and ``loss`` on images that were not trained on,
        ``training_accuracy``, and of convolutional networks ``edge_likeness`` and
        ``start_likeness``, see `edge_likeness`. Matrices are ``confusion``, how many validation
        images of each class (row) were called each class, and, where asked for, ``kernels_before``
        and ``kernels_after``, a kernel's pixels in a row each.
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
        trained, theirs = self._trainer.training_images
        seen = {
            "accuracy": _hits(logits, labels),
            "loss": cross_entropy(logits, labels),
            "training_accuracy": _hits(networks(trained), theirs),
        }
        kernels = _kernels(self._trainer)
        if kernels is not None and self._start is not None:
            alike = functional.cosine_similarity(kernels.flatten(2), self._start.flatten(2), dim=2)
            seen |= {"edge_likeness": edge_likeness(kernels), "start_likeness": alike.mean(1)}
        self._seen.append(seen)

    @torch.no_grad()
    def _matrices(self) -> dict[str, list[list[list[float]]]]:
        images, labels = self._trainer.validation_images
        found = {"confusion": confusion(self._trainer.networks(images).argmax(2), labels)}
        after = _kernels(self._trainer)
        if self._kernels and self._start is not None and after is not None:
            found |= {"kernels_before": self._start.flatten(2), "kernels_after": after.flatten(2)}
        return {name: _rounded(values) for name, values in found.items()}


def points_until(epochs: int) -> list[int]:
    """Returns the epochs at which a training of some epochs is looked at: `POINTS`, and the last.

    0 is before the first.
    """
    return sorted({point for point in POINTS if point < epochs} | {epochs})


def confusion(said: Tensor, labels: Tensor) -> Tensor:
    """Returns how often each class (row) was called each class, (members, classes, classes).

    Args:
        said: (members, n), as what each image was classified.
        labels: (members, n), what it is.
    """
    classes = int(labels.max()) + 1
    pairs = functional.one_hot(labels * classes + said, classes**2).sum(1)
    return pairs.view(-1, classes, classes).float()


def edge_likeness(kernels: Tensor) -> Tensor:
    """Returns how much kernels (members, filters, k, k) look like edge detectors, (members,).

    A detector has a row, or a column, of 1 and one of -1 behind it. A kernel's likeness is the
    largest size of its cosine with any of them; a member's is the mean over its filters. Random
    kernels of 7 x 7 pixels come to 0.3.
    """
    # Neighbouring lines' sums differ as much as the kernel is like a detector at that place.
    cosines = [
        kernels.sum(dim).diff(dim=2).abs().amax(2) / (2 * kernels.shape[-1]) ** 0.5
        for dim in (2, 3)
    ]
    best: Tensor = torch.maximum(*cosines) / kernels.flatten(2).norm(dim=2)
    return best.mean(1)


def _kernels(trainer: EdgeTrainer) -> Tensor | None:
    """Returns the first layer's kernels (members, filters, k, k); None of a perceptron."""
    weights = trainer.networks.weights.get(_FIRST)
    return None if weights is None else weights.detach()[:, :, 0].clone()


def _hits(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(2) == labels).float().mean(1)


def _rounded(values: Tensor) -> Any:
    """Returns nested lists of numbers as short as a saved run needs them."""
    return values.double().cpu().round(decimals=_DIGITS).tolist()
