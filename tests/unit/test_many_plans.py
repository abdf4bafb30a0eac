"""Plans of sixty kinds of training, each against the same step taken and watched."""

import pytest
from many_workloads import KINDS, REFUSED

from hpml_lab import plan
from hpml_lab.errors import InputError
from hpml_lab.theory.recurrent import lstm_workspace_bytes
from hpml_lab.workloads.allocations import track

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


# The workspace that `torch.mkldnn_rnn_layer` returned, torch 2.15.0, its fourth result.
@pytest.mark.parametrize(
    ("shape", "size_bytes"),
    [
        ((1, 1, 1, 1), 28_672),
        ((7, 4, 16, 12), 32_768),
        ((10, 8, 512, 64), 1_318_912),
        ((10, 8, 8, 512), 2_674_688),
        ((5, 3, 300, 200), 266_240),
        ((33, 7, 17, 65), 1_052_672),
        ((50, 32, 128, 256), 25_735_168),
    ],
)
def test_the_workspace_of_an_lstm(shape, size_bytes):
    """Time, batch, width of input and of output."""
    assert lstm_workspace_bytes(*shape) == size_bytes
