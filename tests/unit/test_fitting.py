"""Whether a step fits into a GPU: the replay's own bytes against the memory that is there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.errors import InputError
from hpml_lab.memory.fitting import CARDS, Device, card, fit
from hpml_lab.memory.gpu import workspace_bytes
from hpml_lab.memory.network_plan import planned_network
from hpml_lab.memory.optimizer_step import Step
from hpml_lab.memory.timeline import Recorder
from hpml_lab.report.fit import sentence

MIB = 2**20


def step(*sizes):
    """A step of these blocks, one after the other, all alive at its end."""
    recorder = Recorder()
    recorder.phase = "forward"
    for size in sizes:
        recorder.allocate(size, "activations")
    return recorder.timeline()


def test_what_does_not_fit_says_how_much_is_missing():
    """16 MiB have a segment of their own: 16 of 20 MiB, and of 8."""
    assert sentence(fit(step(16 * MIB), Device(memory_bytes=20 * MIB))) == (
        "fits: 0.02 of 0.02 GiB (80%)"
    )
    result = fit(step(16 * MIB), Device(memory_bytes=8 * MIB))
    assert (result.fits, result.needed_bytes) == (False, 16 * MIB)
    assert sentence(result) == "does not fit: 0.02 of 0.01 GiB (200%)"


@pytest.mark.parametrize(
    ("device", "fits"),
    [
        ({"memory_bytes": 16 * MIB}, True),
        ({"memory_bytes": 16 * MIB - 1}, False),
        ({"memory_bytes": 17 * MIB, "context_bytes": MIB}, True),
        ({"memory_bytes": 17 * MIB, "context_bytes": MIB + 1}, False),
        ({"memory_bytes": 32 * MIB, "margin": 0.5}, True),
        ({"memory_bytes": 32 * MIB, "margin": 0.51}, False),
    ],
)
def test_context_and_margin_are_taken_off(device, fits):
    """What the allocator can reserve is the memory less both."""
    assert fit(step(16 * MIB), Device(**device)).fits is fits


def test_without_a_memory_nothing_fits_or_not():
    """The terms are there; the word is not."""
    result = fit(step(16 * MIB), Device())
    assert (result.fits, sentence(result), result.gpu.reserved_bytes) == (None, "", 16 * MIB)
    with pytest.raises(InputError, match="memory is not known"):
        _ = Device().known_bytes


def test_what_is_left_out_is_named():
    """Workspaces of cuDNN always; the context and cuBLAS's unless they are given."""
    assert len(Device().left_out) == 3
    assert Device(workspace_bytes=1, context_bytes=1).left_out == [
        "workspaces that cuDNN chooses when it runs"
    ]


@pytest.mark.parametrize("margin", [-0.1, 1.0, 2.0])
def test_a_margin_is_a_share(margin):
    """All of the memory, or more, cannot stay free."""
    with pytest.raises(InputError, match=f"margin is {margin}; it must be a share"):
        Device(memory_bytes=1, margin=margin)


@given(st.lists(st.integers(1, 40 * MIB), min_size=1, max_size=12), st.integers(0, 200 * MIB))
def test_what_fits_needs_no_more_than_there_is(sizes, memory_bytes):
    """For any step: the printed total is within the memory if it fits, and beyond it if not."""
    result = fit(step(*sizes), Device(memory_bytes=memory_bytes))
    assert result.fits == (result.needed_bytes <= memory_bytes)


@pytest.mark.parametrize("name", ["a100 80gb", "NVIDIA A100 80GB", "A10080GB"])
def test_a_card_is_found_by_its_name(name):
    """In any case, with or without its maker."""
    assert card(name) == CARDS["A100 80GB"]
    assert card(name).capability == (8, 0)


def test_an_unknown_card_names_the_known_ones():
    """A100 alone is none: it has 40 or 80 GB."""
    with pytest.raises(InputError, match=r"unknown GPU 'A100'; choose one of: T4, .*A100 40GB"):
        card("A100")


@pytest.mark.parametrize("name", CARDS)
def test_no_card_has_more_than_it_is_sold_with(name):
    """A program finds less than the number in the name, but not a tenth less."""
    sold = [int(word[:-2]) for word in name.split() if word.endswith("GB")]
    for size in sold:
        assert 0.9 * size < CARDS[name].memory_bytes / 2**30 < size


def test_what_a_probe_saw_is_told_and_not_counted():
    """Another network has other workspaces."""
    device = Device(memory_bytes=2**30, convolution_bytes=37 * 2**20)
    assert device.left_out[0].startswith("workspaces that cuDNN chooses when it runs (up to 37.00")
    assert device.capacity_bytes == 2**30


@pytest.mark.parametrize("card_name", ["A100 80GB", "H200", "T4"])
@pytest.mark.parametrize("network", ["resnet18-cifar", "resnet50"])
def test_a_step_that_just_fits_is_told_so_in_whole_terms(network, card_name):
    """The quick answer and the long one agree at the border, and no term is below 0."""
    known = card(card_name)
    device = Device(
        memory_bytes=known.memory_bytes, workspace_bytes=workspace_bytes(known.capability)
    )
    planned, step = planned_network(network), Step(batch_size=2, momentum=0.9)
    most = planned.largest_batch(step, device)
    last = planned.fit(step.with_batch_size(most), device)
    assert last.fits
    assert planned.fit(step.with_batch_size(most + 1), device).fits is False
    gpu = last.gpu
    assert min(gpu.rounding_bytes, gpu.workspace_bytes, gpu.cached_bytes) >= 0
