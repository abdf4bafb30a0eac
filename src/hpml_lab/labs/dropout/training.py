"""The dropout lab's linear model: dropout on the input, trained from zero, many seeds at once.

Every member has its own weights, and its own masks from its own seed, so that its result equals
that of a training alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hpml_lab.errors import InputError
from hpml_lab.theory.validation import check_drop, check_int
from hpml_lab.training.optimizers import build_optimizer

ROW, TARGET = (10.0, 1.0), 11.0
LEARNING_RATE = 1e-3
_DRAWN = 2**17  # masks of a member at a time: enough for the generator, and small against the cache


@dataclass(frozen=True)
class Member:
    """One member of an ensemble of trainings.

    Attributes:
        drop: the probability that an input is dropped.
        seed: the seed of its masks.
    """

    drop: float
    seed: int


@dataclass(frozen=True)
class Course:
    """Weights and losses of all members at every step, on the device.

    Attributes:
        weights: weights before the first step and after each, (steps + 1, members, d).
        losses: mean squared error of each step's batch before the step, (steps, members).
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
        batch_size: number of repetitions of the row in a batch, each with its own mask.
        steps: number of steps.
        optimizer: one of `optimizers.OPTIMIZERS`, with its defaults and learning rate 1e-3.
        row: the input, of target 11; a third value of 1 is a bias, for use without dropout.
        device: ``cpu`` or ``cuda``.

    Raises:
        InputError: for no members, a drop probability outside [0, 1), a batch size below 1,
            negative steps or an unknown optimizer.
    """
    if not members:
        raise InputError("there are no members to train; give at least one")
    steps = check_int("steps", steps)
    weights = torch.zeros(len(members), len(row), device=device, requires_grad=True)
    descent = build_optimizer(optimizer, [weights], "default", LEARNING_RATE)
    course = Course(
        torch.zeros(steps + 1, *weights.shape, device=device),
        torch.empty(steps, len(members), device=device),
    )
    inputs = dropped_rows(members, row, check_int("batch_size", batch_size, 1), steps, device)
    for step, batch in enumerate(inputs):
        descent.zero_grad()
        errors = torch.einsum("sbd,sd->sb", batch, weights) - TARGET
        losses = errors.square().mean(1)
        losses.sum().backward()  # the members' gradients are independent
        descent.step()
        course.weights[step + 1] = weights.detach()
        course.losses[step] = losses.detach()
    return course


def dropped_rows(
    members: Sequence[Member], row: Sequence[float], batch_size: int, steps: int, device: str
) -> Iterator[Tensor]:
    """Yields the masked rows of each step, (members, batch_size, d).

    Kept inputs are divided by 1 - drop, as in `torch.nn.Dropout`.
    """
    keeps = [1 - check_drop(member.drop) for member in members]
    generators = [torch.Generator(device).manual_seed(member.seed) for member in members]
    scaled = torch.tensor([[value / keep for value in row] for keep in keeps])
    scaled = scaled.to(device)[:, None]
    drawn = max(1, _DRAWN // (batch_size * len(row)))
    for first in range(0, steps, drawn):
        shape = (min(drawn, steps - first), batch_size, len(row))
        # Twice as fast as `Tensor.bernoulli_`, and most of the time of a step.
        masks = [
            torch.rand(shape, device=device, generator=generator) < keep
            for keep, generator in zip(keeps, generators, strict=True)
        ]
        yield from torch.stack(masks, dim=1) * scaled
