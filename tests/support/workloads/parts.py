"""What small workloads are made of: batches, an optimizer, and the two kinds of a step."""

import torch
from torch.nn import functional

from hpml_lab import TrainingStep

TIME, WIDTH, CLASSES = 7, 16, 5


def rows(batch_size, width=WIDTH):
    """Rows and classes."""
    return torch.randn(batch_size, width), torch.randint(0, CLASSES, (batch_size,))


def words(batch_size, length=TIME, vocabulary=20):
    """Numbers of words, and those that follow."""
    return [torch.randint(0, vocabulary, (batch_size, length)) for _ in range(2)]


def sgd(model, **options):
    """The plainest optimizer with state."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.SGD(trained, **({"lr": 0.01, "momentum": 0.9} | options))


def pair(model, batch, loss=functional.cross_entropy, optimizer=None, **options):
    """A step on inputs and targets."""
    return TrainingStep(model, optimizer or sgd(model), loss, tuple(batch), **options)


def own(model, batch, compute_loss, optimizer=None, **options):
    """A step with a loss of its own."""
    optimizer = optimizer or sgd(model)
    return TrainingStep(model, optimizer, batch=batch, compute_loss=compute_loss, **options)
