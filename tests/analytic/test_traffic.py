"""Operators and bytes of a step, against a layer counted by hand and the lab's table of floors."""

import pytest
import torch
import torchvision
from torch import nn

from hpml_lab.errors import InputError
from hpml_lab.memory.network_counts import Traffic, traffic
from hpml_lab.training.networks import build_network


def test_a_linear_layer_is_counted_as_by_hand():
    """Seven operators; N rows of 5 to 3 without bias, cross-entropy, float32, labels of 8 bytes.

    forward       x 20N + W 60 + logits 12N
    log-softmax   12N + 12N
    nll           12N + labels 8N + loss 4 + weight 4
    ones          4 + 4
    nll'          4 + 12N + 8N + 4 + 12N
    log-softmax'  12N + 12N + 12N
    W'            12N + 20N + 60
    """
    counted = traffic(nn.Sequential(nn.Linear(5, 3, bias=False)), (5,))
    assert counted == Traffic(operators=7, per_sample_bytes=176, per_step_bytes=144)


def test_autocast_reads_and_writes_half_and_casts():
    """Five casts more, and 210 bytes a row in place of 176: a layer this small is mostly casts.

    casts     x 20N + 10N, W 60 + 30, logits 6N + 12N; in the backward pass logits' 12N + 6N, W' 30
              + 60
    products  10N + 30 + 6N forward, 6N + 10N + 30 backward
    the rest  as in float32: 112N + 24
    """
    counted = traffic(nn.Sequential(nn.Linear(5, 3, bias=False)), (5,), "bfloat16")
    assert counted == Traffic(7 + 5, 20 + 10 + 18 + 18 + 16 + 16 + 112, 2 * 90 + 60 + 24)


def lab_megabytes(model, side, batch):
    """Returns operators, and MB an image in bfloat16 throughout, as the lab's table has them."""
    counted = traffic(model.bfloat16(), (3, side, side))
    return counted.operators, (counted.per_sample_bytes + counted.per_step_bytes / batch) / 1e6


def test_the_lab_s_network_moves_what_its_table_says():
    """22.0 MB an image in batches of 128, and 161 operator calls."""
    operators, megabytes = lab_megabytes(build_network("resnet18-cifar"), 32, 128)
    assert operators == 161
    assert megabytes == pytest.approx(22.0, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "classes", "side", "batch", "operators", "megabytes"),
    [
        ("resnet18", 10, 32, 128, 163, 2.36),
        ("resnet18", 10, 224, 128, 163, 90.3),
        ("resnet50", 1000, 224, 64, 408, 394),
        ("resnet152", 10, 32, 128, 1190, 19.6),
        ("resnet152", 10, 224, 32, 1190, 838),
    ],
)
def test_the_table_s_other_networks(name, classes, side, batch, operators, megabytes):
    """Within 0.11 %. The table names no batch: its two largest rows fit 64 and 32, not 128."""
    model = torchvision.models.get_model(name, num_classes=classes)
    result = lab_megabytes(model, side, batch)
    assert result[0] == operators
    assert result[1] == pytest.approx(megabytes, rel=0.0011)


def test_views_and_empty_tensors_move_nothing():
    """Flattening adds no operator and no byte."""
    plain = traffic(nn.Sequential(nn.Linear(12, 3)), (12,))
    flattened = traffic(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), (3, 2, 2))
    assert flattened == plain


def test_the_network_is_left_as_it_was():
    """No gradient, no changed statistics, no changed mode, and no random number drawn."""
    model = build_network("resnet18-cifar", width=2).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    traffic(model, (3, 32, 32))
    assert torch.equal(torch.rand(1), expected)
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_an_input_that_does_not_fit_is_one_line():
    """The network's refusal names the input."""
    with pytest.raises(InputError, match="the network cannot take an input of 4x32x32"):
        traffic(build_network("resnet18-cifar", width=2), (4, 32, 32))
