"""Plans of seventy kinds of training, each against the same step taken and watched."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab import plan
from hpml_lab.errors import InputError
from hpml_lab.memory.kernels import lstm_workspace_bytes
from hpml_lab.memory.trace import track
from support.workloads.kinds import KINDS
from support.workloads.refused import REFUSED

CATEGORIES = {"activations": "forward", "gradients": "backward", "optimizer_state": "before"}
FOR_A_SCALER = 20  # steps until its scale has fallen so far that the optimizer steps


@pytest.mark.parametrize("name", KINDS)
def test_a_plan_is_what_a_watched_step_allocates(name):
    """Peak, and what is kept of each kind, to the byte."""
    planned, step = plan(KINDS[name]), KINDS[name]()
    for _ in range(FOR_A_SCALER if "scaler" in name else 2):
        step()
    watched = track(step)
    assert planned.peak_bytes == watched.peak_bytes
    assert planned.input_bytes == watched.held_bytes("input", "before")
    for category, phase in CATEGORIES.items():
        kept = getattr(planned, f"{category}_bytes")
        assert kept == watched.held_bytes(category, phase), category


@pytest.mark.parametrize("name", REFUSED)
def test_what_values_decide_is_refused_in_one_line(name):
    """Lengths of sequences, rows of sparse gradients, widths of lazy layers, a loss that reads."""
    workload, reason = REFUSED[name]
    with pytest.raises(InputError, match=reason) as error:
        plan(workload)
    assert "\n" not in str(error.value)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 520), st.integers(1, 270))
def test_the_workspace_of_an_lstm_is_what_the_operator_returns(time, batch, inputs, hidden):
    """Its fourth result, in training, for whatever shape; widths around multiples of 256 too."""
    state = torch.zeros(1, batch, hidden)
    bias = torch.zeros(4 * hidden)
    workspace = torch.mkldnn_rnn_layer(
        torch.zeros(time, batch, inputs), torch.zeros(4 * hidden, inputs),
        torch.zeros(4 * hidden, hidden), bias, bias, state, state,
        False, [], 2, hidden, 1, True, False, False, True,
    )[3]  # fmt: skip
    assert lstm_workspace_bytes(time, batch, inputs, hidden) == workspace.nbytes


def test_the_workspace_of_an_lstm_by_hand():
    """7 steps of 4 rows, 16 in and 12 out: two pages of gates, one of each of six other parts."""
    assert lstm_workspace_bytes(7, 4, 16, 12) == 8 * 4096
