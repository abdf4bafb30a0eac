"""What optimizers keep and do, seen by letting them step."""

from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hpml_lab.claims import published
from hpml_lab.claims.checks import models
from hpml_lab.claims.checks.comparing import rounds, same, together
from hpml_lab.claims.checks.models import LAB
from hpml_lab.claims.checks.registry import Finding, decides
from hpml_lab.theory.optimizers import state_bytes
from hpml_lab.workloads.optimizer_state import optimizer_state
from hpml_lab.workloads.optimizers import build_optimizer, theory_name

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
    """Holds the printed differences between optimizers against those of their state."""
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
    """Compares the bytes that the three optimizers keep, counted and by the closed form."""
    kept, evidence = _kept_by_all()
    expected = {name: _closed_form_bytes("resnet152", name) for name in _COMPARED}
    most = kept["adam"] > max(kept["sgd"], kept["sgd-momentum"])
    return Finding(most and kept == expected, f"{evidence}, as the closed form says")


@decides("000-Q2b-why")
def moving_averages() -> Finding:
    """Computes both moving averages over two steps and holds them against Adam's own."""
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
    """Looks for a learning rate that needs a gradient or that a step changes."""
    model = nn.Linear(2, 1)
    optimizer = build_optimizer("adam", model.parameters())
    before = optimizer.param_groups[0]["lr"]
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    after = optimizer.param_groups[0]["lr"]
    learnt = getattr(after, "requires_grad", False) or after != before
    return Finding(learnt, f"a {type(after).__name__} without gradient, {before} then {after}")


def _counts_with_adam() -> tuple[int, int]:
    _kept_bytes(LAB, "adam")  # Adam has stepped over these parameters
    model = models.with_gradients(LAB)
    return models.trainable(model), models.gradients(model)


@decides("002-Q4-count")
def two_thirds_of_the_parameters() -> Finding:
    """Holds the stated formula against the parameters that Adam updates."""
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
    """Counts operations over whole tensors."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += any(isinstance(a, Tensor) and a.numel() > 1 for a in args)
        return func(*args, **kwargs or {})


def _passes(name: str) -> int:
    """Returns how often a step of an optimizer goes over each parameter."""
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
    """Compares the state and the passes over it of both."""
    adadelta, adam = _passes("adadelta"), _passes("adam")
    kept = [_kept_bytes(LAB, name) for name in ("adadelta", "adam")]
    evidence = f"state {kept[0]:,} and {kept[1]:,} B, passes over it {adadelta} and {adam}"
    return Finding(kept[0] < kept[1] or adadelta < adam, evidence)


@decides("004-C6-adam-worst")
def first_step_of_adam() -> Finding:
    """Holds Adam's first step at the lab's learning rate against the weights it changes.

    The runs rank Adam where one step replaces the weights: they test that rate, not Adam.
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
