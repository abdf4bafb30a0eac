"""The dropout lab's linear model: an input behind dropout, trained from zero, many seeds at once.

Every member has weights of its own and masks from a seed of its own, so that it ends where it
would have ended alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hpml_lab.errors import InputError
from hpml_lab.theory.scalars import dropped, whole
from hpml_lab.workloads.optimizers import build_optimizer

ROW, TARGET = (10.0, 1.0), 11.0
LEARNING_RATE = 1e-3
_DRAWN = 2**17  # masks of a member at a time: enough for the generator, small beside the cache


@dataclass(frozen=True)
class Member:
    """What one of the trainings has of its own.

    Attributes:
        drop: the probability that an input is dropped.
        seed: of its masks.
    """

    drop: float
    seed: int


@dataclass(frozen=True)
class Course:
    """What the trainings went through, on the device.

    Attributes:
        weights: before the first step and after each, (steps + 1, members, d).
        losses: the mean squared error of each step's batch before the step, (steps, members).
    """

    weights: Tensor
    losses: Tensor


def train(
    members: Sequence[Member],
    *,
    batch_size: int = 1,
    steps: int = 1000,
    optimizer: str = "sgd",
    row: Sequence[float] = ROW,
    device: str = "cpu",
) -> Course:
    """Trains one linear model for each member on batches that repeat one row.

    Args:
        members: their drop probabilities and seeds.
        batch_size: how often a batch repeats the row, each time under a mask of its own.
        steps: how many.
        optimizer: one of `optimizers.OPTIMIZERS`, with its defaults and learning rate 1e-3.
        row: the input, of target 11; a third 1 is a bias, where nothing is dropped.
        device: ``cpu`` or ``cuda``.

    Raises:
        InputError: for no member, a drop probability outside [0, 1), a batch size below 1, negative
            steps or an unknown optimizer.
    """
    if not members:
        raise InputError("there are no members to train; give at least one")
    steps = whole("steps", steps)
    weights = torch.zeros(len(members), len(row), device=device, requires_grad=True)
    descent = build_optimizer(optimizer, [weights], "default", LEARNING_RATE)
    course = Course(
        torch.zeros(steps + 1, *weights.shape, device=device),
        torch.empty(steps, len(members), device=device),
    )
    inputs = dropped_rows(members, row, whole("batch_size", batch_size, 1), steps, device)
    for step, batch in enumerate(inputs):
        descent.zero_grad()
        errors = torch.einsum("sbd,sd->sb", batch, weights) - TARGET
        losses = errors.square().mean(1)
        losses.sum().backward()  # a gradient of its own for each
        descent.step()
        course.weights[step + 1] = weights.detach()
        course.losses[step] = losses.detach()
    return course


def dropped_rows(
    members: Sequence[Member], row: Sequence[float], batch_size: int, steps: int, device: str
) -> Iterator[Tensor]:
    """Yields for each step the row as each member sees it, (members, batch_size, d).

    What is kept is divided by 1 - drop, as in `torch.nn.Dropout`.
    """
    keeps = [1 - dropped(member.drop) for member in members]
    generators = [torch.Generator(device).manual_seed(member.seed) for member in members]
    scaled = torch.tensor([[value / keep for value in row] for keep in keeps])
    scaled = scaled.to(device)[:, None]
    drawn = max(1, _DRAWN // (batch_size * len(row)))
    for first in range(0, steps, drawn):
        shape = (min(drawn, steps - first), batch_size, len(row))
        # Twice as fast as `Tensor.bernoulli_`, and most of what a step costs.
        masks = [
            torch.rand(shape, device=device, generator=generator) < keep
            for keep, generator in zip(keeps, generators, strict=True)
        ]
        yield from torch.stack(masks, dim=1) * scaled
