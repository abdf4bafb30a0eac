"""Four pieces of work of milliseconds, of which `SLOWER=1.1` does 10 % more."""

import os

import torch
from torch import nn

from hpml_lab import TrainingStep

SLOWER = float(os.environ.get("SLOWER", "1"))


def step_of(model, *shape):
    """A training step on random pictures or rows; more of them where it is to be slower."""
    torch.manual_seed(0)
    batch = torch.randn(shape), torch.randint(10, shape[:1])
    optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9)
    return TrainingStep(model, optimizer, nn.functional.cross_entropy, batch)


def times(calls, step):
    """What takes so many steps, and does not tell `measure` how many."""

    def work():
        for _ in range(calls):
            step()

    return work


def test_perceptron(measure):
    """Matrix products on two threads."""
    model = nn.Sequential(nn.Linear(512, 1024), nn.ReLU(), nn.Linear(1024, 10))
    measure(times(1, step_of(model, round(500 * SLOWER), 512)))


def test_convolution(measure):
    """Convolutions on two threads."""
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip
    measure(times(1, step_of(model, round(50 * SLOWER), 3, 32, 32)))


def test_small(measure):
    """Small operators: the interpreter and the dispatcher."""
    model = nn.Sequential(*(nn.Linear(16, 16) for _ in range(8)))
    measure(times(round(10 * SLOWER), step_of(model, 8, 16)))


def test_python(measure):
    """No torch at all."""
    measure(times(round(10 * SLOWER), lambda: sum(number * number for number in range(5000))))
