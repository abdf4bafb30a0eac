"""What networks of the edge lab say about images that they were not trained on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from hpml_lab.measure.learning import confusion
from hpml_lab.workloads.edge_trainer import EdgeTrainer
from hpml_lab.workloads.edge_training import VALIDATION, EdgeTraining
from hpml_lab.workloads.edges import edge_images, place


@contextmanager
def one_thread() -> Iterator[None]:
    """Computes with one thread: for such small products, waiting for others only costs time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Outcome:
    """What the networks of a configuration say about new images, over all seeds.

    Attributes:
        training_accuracy: on the images they were trained on.
        confusion: (classes, classes), shares of each class that are called each class.
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

    @property
    def stripes(self) -> tuple[float, float, float]:
        """Shares of horizontal and vertical stripes called right, the other one, and none."""
        right, turned, missed = (
            float(self.confusion[0, a] + self.confusion[1, b]) / 2
            for a, b in ((0, 1), (1, 0), (2, 2))
        )
        return right, turned, missed


@cache
@one_thread()
def outcome(training: EdgeTraining, seeds: int = 10, *, at_home: bool = False) -> Outcome:
    """Trains to the end and looks at new images.

    Args:
        training: the configuration.
        seeds: how many networks.
        at_home: whether the new images' stripes are near index 0, as those for the training of a
            shifted configuration are.
    """
    trainer = EdgeTrainer(training, range(seeds))
    trainer.train(training.epochs)
    images, labels = trainer.validation_images
    if at_home:
        near = place(training.generator, "near")
        drawn = [edge_images(near, training.classes, VALIDATION, 2 * s + 1) for s in range(seeds)]
        images = torch.stack([of for of, _ in drawn])
    with torch.no_grad():
        known, theirs = trainer.training_images
        fitted = (trainer.networks(known).argmax(2) == theirs).float().mean()
        logits = trainer.networks(images)
    said = logits.argmax(2)
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    shares = confusion(said, labels).mean(0) / VALIDATION
    wrong = losses[(said != labels).flatten()]
    return Outcome(float(fitted), shares, float(losses.mean()), float(wrong.mean()))
