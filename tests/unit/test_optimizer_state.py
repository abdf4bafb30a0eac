"""What optimizers keep, wherever they keep it."""

from collections import deque

import pytest
import torch
from torch import nn

from hpml_lab.training.optimizers import optimizer_state


def stepped(kind, model=None, **options):
    """Returns an optimizer of ten float32 weights that has been stepped once."""
    model = model or nn.Linear(10, 1, bias=False)
    optimizer = kind(model.parameters(), **options)

    def closure():
        optimizer.zero_grad()
        loss = model(torch.ones(2, 10)).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return optimizer


def state_bytes(*optimizers):
    """Returns the bytes without step counters."""
    return optimizer_state(*optimizers)["optimizer_state_bytes"]


def test_adam_keeps_two_copies_and_a_counter():
    """Two moments of forty bytes; the counter is one float32."""
    assert optimizer_state(stepped(torch.optim.Adam)) == {
        "optimizer_state_bytes": 80,
        "step_counters": 1,
        "step_counter_bytes": 4,
    }


def test_two_optimizers_add_up():
    """Those of a generator and of a discriminator."""
    assert state_bytes(stepped(torch.optim.Adam), stepped(torch.optim.SGD, momentum=0.9)) == 120


class Keeping(torch.optim.SGD):
    """Keeps tensors of eight bytes in the ways that people do."""

    def __init__(self, parameters):
        super().__init__(parameters, lr=0.1)

    def step(self, closure=None):
        loss = super().step(closure)
        weight = self.param_groups[0]["params"][0]
        self.state[weight]["history"] = [torch.zeros(2), (torch.zeros(2), deque([torch.zeros(2)]))]
        self.state[weight]["nested"] = {"deeper": {"still": torch.zeros(2)}}
        self.state["global"] = torch.zeros(2)
        self.param_groups[0]["scale"] = torch.zeros(2)
        self.slow_weights = {0: torch.zeros(2)}
        return loss


def test_every_way_of_keeping_a_tensor_is_found():
    """Three in lists, one nested, one under a name, one in a group, one in an attribute."""
    assert state_bytes(stepped(Keeping)) == 7 * 8


def test_one_storage_counts_once_and_parameters_not_at_all():
    """Two views of one buffer; the weights themselves and their gradient in a list."""
    optimizer = stepped(torch.optim.SGD)
    (weight,) = optimizer.param_groups[0]["params"]
    buffer = torch.zeros(6)
    optimizer.state[weight] = {"a": buffer[:2], "b": buffer[2:], "c": [weight, weight.grad]}
    assert state_bytes(optimizer) == 24


def test_lbfgs_keeps_its_history():
    """After a step of four iterations: directions, steps and the gradients behind them."""
    optimizer = stepped(torch.optim.LBFGS, max_iter=4)
    (kept,) = optimizer.state.values()
    # d, prev_flat_grad, and each pair in the two histories: vectors of ten.
    vectors = 2 + len(kept["old_dirs"]) + len(kept["old_stps"])
    scalars = [kept["H_diag"], *kept["ro"], kept["t"], kept["prev_loss"]]
    own = [*scalars, *(a for a in kept.get("al", []) if a is not None)]
    expected = 40 * vectors + sum(4 for one in own if torch.is_tensor(one))
    assert state_bytes(optimizer) == pytest.approx(expected, abs=40)
    assert state_bytes(optimizer) >= 40 * vectors


class Wrapper:
    """An optimizer around another, as libraries for schedules and sharpness have them."""

    def __init__(self, optimizer):
        self.inner = optimizer
        self.param_groups = optimizer.param_groups
        self.averaged = [torch.zeros(10)]


def test_a_wrapped_optimizer_s_state_is_its_own():
    """Adam's eighty bytes, and the forty that the wrapper keeps."""
    assert state_bytes(Wrapper(stepped(torch.optim.Adam))) == 120


def test_sparse_state_is_its_indices_and_values():
    """Three rows: three int64 indices and three float32 values."""
    optimizer = stepped(torch.optim.SGD)
    optimizer.state["kept"] = torch.tensor([1.0, 0.0, 2.0, 3.0]).to_sparse()
    assert state_bytes(optimizer) == 3 * 8 + 3 * 4


def test_an_optimizer_that_holds_itself_ends():
    """Cycles are not followed for ever."""
    optimizer = stepped(torch.optim.Adam)
    optimizer.state["self"] = {"again": optimizer.state}
    assert state_bytes(optimizer) == 80
