"""Checks of the optimizers' state and update rules, by running their steps."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hpml_lab.claims import models, published
from hpml_lab.claims.checking import Finding, decides, equal, rounds, same, together
from hpml_lab.claims.models import LAB
from hpml_lab.theory.optimizers import state_bytes
from hpml_lab.training.optimizers import build_optimizer, optimizer_state, theory_name

_COMPARED = ("sgd", "sgd-momentum", "adam")


@cache
def _kept_bytes(network: str, name: str) -> int:
    optimizer = build_optimizer(name, models.with_gradients(network).parameters())
    optimizer.step()
    return optimizer_state(optimizer)["optimizer_state_bytes"]


def _closed_form_bytes(network: str, name: str) -> int:
    plain, momentum = theory_name(name)
    shapes = [parameter.shape for parameter in models.with_gradients(network).parameters()]
    return state_bytes(plain, shapes, momentum=momentum)


def _kept_by_all() -> tuple[dict[str, int], str]:
    kept = {name: _kept_bytes("resnet152", name) for name in _COMPARED}
    return kept, "state " + ", ".join(f"{name} {size:,} B" for name, size in kept.items())


@decides("000-Q2a-order")
def printed_order_of_state() -> Finding:
    """Compares the printed differences between optimizers with those of their state."""
    kept, evidence = _kept_by_all()
    plain, momentum, adam = (
        published.value(f"000-Q2a-{name}", "device_memory_used")
        for name in ("sgd", "sgd_momentum", "adam")
    )
    findings = [
        rounds("MB momentum adds", momentum - plain, (kept["sgd-momentum"] - kept["sgd"]) / 1e6),
        rounds("MB Adam adds", adam - plain, (kept["adam"] - kept["sgd"]) / 1e6),
    ]
    return together(*findings, Finding(True, evidence))


@decides("000-Q2b-adam-most")
def largest_state() -> Finding:
    """Compares the state bytes of the three optimizers, counted and by the closed form."""
    kept, evidence = _kept_by_all()
    expected = {name: _closed_form_bytes("resnet152", name) for name in _COMPARED}
    most = kept["adam"] > max(kept["sgd"], kept["sgd-momentum"])
    return Finding(most and kept == expected, f"{evidence}, as the closed form says")


@decides("000-Q2b-why")
def moving_averages() -> Finding:
    """Computes both moving averages over two steps and compares them with Adam's state."""
    parameter = nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.Adam([parameter])
    beta1, beta2 = optimizer.defaults["betas"]
    first = second = torch.zeros(3)
    for gradient in (torch.tensor([1.0, -2.0, 0.5]), torch.tensor([3.0, 1.0, 0.0])):
        parameter.grad = gradient
        optimizer.step()
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient**2
    kept = {k: v for k, v in optimizer.state[parameter].items() if v.shape == parameter.shape}
    wanted = {"exp_avg": first, "exp_avg_sq": second}
    equal = kept.keys() == wanted.keys() and all(kept[k].allclose(wanted[k]) for k in kept)
    tensors = len(list(models.bare("resnet152").parameters()))
    return Finding(equal, f"{' and '.join(kept)} for each of {tensors} parameter tensors")


@decides("002-Q4-lr")
def learning_rate_of_adam() -> Finding:
    """Tests whether Adam's learning rate requires a gradient or changes in a step."""
    model = nn.Linear(2, 1)
    optimizer = build_optimizer("adam", model.parameters())
    before = optimizer.param_groups[0]["lr"]
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    after = optimizer.param_groups[0]["lr"]
    learnt = getattr(after, "requires_grad", False) or after != before
    return Finding(learnt, f"a {type(after).__name__} without gradient, {before} then {after}")


def _counts_with_adam() -> tuple[int, int]:
    _kept_bytes(LAB, "adam")  # runs a step of Adam on these parameters
    model = models.with_gradients(LAB)
    return models.trainable(model), models.gradients(model)


@decides("002-Q4-count")
def two_thirds_of_the_parameters() -> Finding:
    """Compares the stated formula with the number of parameters that Adam updates."""
    named = dict(models.with_gradients(LAB).named_parameters())
    plain = sum(p.numel() for name, p in named.items() if name.endswith(("weight", "bias")))
    parameters, _ = _counts_with_adam()
    return same("parameters with Adam", int(plain / 1.5) + parameters - plain, parameters)


def _with_adam(run_id: str, parameters: str, gradients: str) -> Finding:
    counts = zip((parameters, gradients), _counts_with_adam(), strict=True)
    return together(*(same(n, int(published.value(run_id, n)), c) for n, c in counts if n))


decides("003-Q4-params")(partial(_with_adam, "003-summary-bn", "parameters_adam", ""))
decides("003-Q4-grads")(partial(_with_adam, "003-summary-bn", "", "gradients_adam"))
decides("004-Q4")(partial(_with_adam, "004-Q1-Q4", "trainable_parameters_adam", "gradients_adam"))


class _Operations(TorchDispatchMode):
    """Counts operations on tensors of more than one element."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += any(isinstance(a, Tensor) and a.numel() > 1 for a in args)
        return func(*args, **kwargs or {})


def _passes(name: str) -> int:
    """Returns the number of passes of an optimizer's step over each parameter."""
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.ones(2)
    optimizer = build_optimizer(name, [parameter])
    optimizer.step()
    counted = _Operations()
    with counted:
        optimizer.step()
    return counted.count


@decides("004-C6-adad-cheap")
def adadelta_against_adam() -> Finding:
    """Compares the state bytes and the number of passes of both."""
    adadelta, adam = _passes("adadelta"), _passes("adam")
    kept = [_kept_bytes(LAB, name) for name in ("adadelta", "adam")]
    evidence = f"state {kept[0]:,} and {kept[1]:,} B, passes over it {adadelta} and {adam}"
    return Finding(kept[0] < kept[1] or adadelta < adam, evidence)


@decides("004-C6-adam-worst")
def first_step_of_adam() -> Finding:
    """Compares Adam's first step at the lab's learning rate with the size of the weights.

    At that rate one step replaces the weights: the runs test the rate, not Adam.
    """
    sizes = {settings: _relative_step(settings) for settings in ("lab", "default")}
    evidence = "first step over the weights' size: " + ", ".join(
        f"{size:.2f} with {settings} settings" for settings, size in sizes.items()
    )
    return Finding(sizes["lab"] < 1, evidence)


def _relative_step(settings: str) -> float:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = nn.Conv2d(64, 64, 3, bias=False)
    before = layer.weight.detach().clone()
    layer.weight.grad = before.sign()
    build_optimizer("adam", layer.parameters(), settings).step()
    return float((layer.weight.detach() - before).norm() / before.norm())


Floats = npt.NDArray[np.float64]
Build = Callable[..., torch.optim.Optimizer]
# The next buffer, from the previous one, the gradient of L and the weights.
Buffer = Callable[[Floats, Floats, Floats], Floats]

# eta must differ from 1 - lambda, so that neither can stand for the other.
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
    """Returns weights or state of torch's optimizer before and after each step, (steps + 1, 3).

    Args:
        build: the optimizer's class.
        state: name of a state tensor; the weights if empty.
        settings: settings of the optimizer other than learning rate eta and weight decay gamma.
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
    """Decides whether SGD with momentum is theta - lambda m - eta (grad L + gamma theta).

    Args:
        buffer: the recursion of m, which contains the learning rate.
    """
    theta, m, seen = _START, np.zeros(3), [_START]
    for _ in range(_STEPS):
        decayed = gradient(theta) + GAMMA * theta
        # Both sides use the weights before the step.
        theta, m = theta - LAMBDA * m - ETA * decayed, buffer(m, gradient(theta), theta)
        seen.append(theta)
    return equal(np.array(seen), followed(torch.optim.SGD, momentum=LAMBDA), "torch.optim.SGD")


def adam_moment(name: str, buffer: Buffer) -> Finding:
    """Decides whether a recursion gives one of Adam's moments along torch's path of weights."""
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
def _decay_outside_the_buffer() -> Finding:
    return momentum(lambda m, grad, _: LAMBDA * m + ETA * grad)


@decides("001-5b-adam-m")
def _first_moment() -> Finding:
    return adam_moment("exp_avg", lambda m, grad, theta: LAMBDA * m + ETA * (grad + GAMMA * theta))


@decides("001-5b-adam-v")
def _second_moment() -> Finding:
    return adam_moment(
        "exp_avg_sq", lambda v, grad, theta: BETA2 * v + (1 - BETA2) * (grad + GAMMA * theta) ** 2
    )
