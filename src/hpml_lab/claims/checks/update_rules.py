"""Update rules of optimizers: the write-up's recursions beside torch.optim, step by step.

The loss L is a quadratic; gamma is the weight decay, lambda the momentum or Adam's beta1, eta the
learning rate, as the write-up has them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hpml_lab.claims.checks.formulas import equal
from hpml_lab.claims.checks.registry import Finding, decides

Floats = npt.NDArray[np.float64]
Build = Callable[..., torch.optim.Optimizer]
# The next buffer, from the one before, the gradient of L and the weights.
Buffer = Callable[[Floats, Floats, Floats], Floats]

# eta is not 1 - lambda: at those very values the two could stand for one another.
ETA, LAMBDA, BETA2, GAMMA = 0.05, 0.9, 0.999, 0.2
_STEPS = 5
_START = np.array([1.0, -2.0, 3.0])


def gradient(theta: Floats) -> Floats:
    """Returns the gradient of L."""
    slope: Floats = np.array([1.0, 0.5, 2.0]) * theta + np.array([0.3, -1.0, 0.1])
    return slope


def followed(
    build: Callable[..., torch.optim.Optimizer], state: str = "", **settings: Any
) -> Floats:
    """Returns what torch's optimizer has before the first step and after each, (steps + 1, 3).

    Args:
        build: the optimizer's class.
        state: the name of a state tensor; the weights if empty.
        settings: of the optimizer, besides the learning rate eta and the weight decay gamma.
    """
    theta = torch.from_numpy(_START.copy()).requires_grad_()
    optimizer = build([theta], lr=ETA, weight_decay=GAMMA, **settings)
    seen = [np.zeros(3) if state else _START]
    for _ in range(_STEPS):
        theta.grad = torch.from_numpy(gradient(theta.detach().numpy()))
        optimizer.step()
        tensor = optimizer.state[theta][state] if state else theta
        seen.append(tensor.detach().numpy().copy())
    return np.array(seen)


def momentum(buffer: Buffer) -> Finding:
    """Finds whether SGD with momentum is theta - lambda m - eta (grad L + gamma theta).

    Args:
        buffer: the recursion of m, which has the learning rate in it.
    """
    theta, m, seen = _START, np.zeros(3), [_START]
    for _ in range(_STEPS):
        decayed = gradient(theta) + GAMMA * theta
        # Both sides use the weights before the step.
        theta, m = theta - LAMBDA * m - ETA * decayed, buffer(m, gradient(theta), theta)
        seen.append(theta)
    return equal(np.array(seen), followed(torch.optim.SGD, momentum=LAMBDA), "torch.optim.SGD")


def adam_moment(name: str, buffer: Buffer) -> Finding:
    """Finds whether a recursion gives one of Adam's moments, along the path that torch takes."""
    betas = (LAMBDA, BETA2)
    path = followed(torch.optim.Adam, betas=betas)
    m, seen = np.zeros(3), [np.zeros(3)]
    for theta in path[:-1]:
        m = buffer(m, gradient(theta), theta)
        seen.append(m)
    right = followed(torch.optim.Adam, name, betas=betas)
    return equal(np.array(seen), right, f"torch.optim.Adam's {name}")


@decides("001-5b-l2")
def _decay_without_factor() -> Finding:
    theta = torch.from_numpy(_START.copy()).requires_grad_()
    optimizer = torch.optim.SGD([theta], lr=ETA)
    slope = torch.from_numpy(gradient(_START))
    (theta @ slope + GAMMA * theta.square().sum()).backward()
    optimizer.step()
    stated = _START - gradient(_START) - GAMMA * _START
    return equal(stated, theta.detach().numpy(), f"one SGD step at learning rate {ETA}")


@decides("001-5b-sgdm")
def _decay_in_the_buffer() -> Finding:
    return momentum(lambda m, grad, theta: LAMBDA * m + ETA * (grad + GAMMA * theta))


@decides("001-5b-sgdm2")
def _decay_beside_the_buffer() -> Finding:
    return momentum(lambda m, grad, _: LAMBDA * m + ETA * grad)


@decides("001-5b-adam-m")
def _first_moment() -> Finding:
    return adam_moment("exp_avg", lambda m, grad, theta: LAMBDA * m + ETA * (grad + GAMMA * theta))


@decides("001-5b-adam-v")
def _second_moment() -> Finding:
    return adam_moment(
        "exp_avg_sq", lambda v, grad, theta: BETA2 * v + (1 - BETA2) * (grad + GAMMA * theta) ** 2
    )
