"""The edge lab's networks: their layers, parameter counts and edge detectors."""

import pytest
import torch
from torch import nn

from hpml_lab.errors import InputError
from hpml_lab.labs.edges.networks import (
    edge_detector,
    edge_network,
    freeze_convolutions,
    set_edge_detectors,
)


def parameters(network, *, trainable=False):
    """Returns how many parameters a network has."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad or not trainable)


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"name": "cnn"}, 606),
        ({"name": "cnn", "classes": 5}, 614),
        ({"name": "cnn", "pooling": "average"}, 606),
        ({"name": "cnn", "kernel": 3}, 126),
        ({"name": "cnn", "kernel": 5}, 318),
        ({"name": "cnn", "kernel": 13}, 2_046),
        ({"name": "cnn", "kernel": 27}, 8_766),
        ({"name": "wider", "classes": 5}, 2_105),
        ({"name": "deeper", "classes": 5}, 1_502),
        ({"name": "mlp"}, 39_793),
        ({"name": "mlp", "classes": 5}, 39_815),
    ],
)
def test_parameters_are_those_of_the_lab(settings, count):
    """As the lab's own networks have; each gives a logit for each class of one image."""
    network = edge_network(**settings)
    assert parameters(network) == count
    assert network(torch.rand(1, 1, 28, 28)).shape == (1, settings.get("classes", 3))


@pytest.mark.parametrize(("name", "classes"), [("cnn", 3), ("wider", 5)])
def test_two_convolutions_have_the_parameters_of_the_formula(name, classes):
    """With f filters: f(k^2 + 1) + f(f k^2 + 1) + c(f + 1)."""
    f, k, c = {"cnn": 3, "wider": 6}[name], 9, classes
    count = parameters(edge_network(name, kernel=k, classes=c))
    assert count == f * (k**2 + 1) + f * (f * k**2 + 1) + c * (f + 1)


def test_convolutions_keep_the_size_and_mirror_the_border():
    """The feature map before the pooling is 28 x 28, behind it 14 x 14."""
    network = edge_network("deeper", kernel=5)
    sizes, hidden = [], torch.rand(2, 1, 28, 28)
    for layer in network:
        hidden = layer(hidden)
        sizes.append(tuple(hidden.shape[1:]))
    assert sizes[3] == (3, 28, 28)
    assert sizes[4] == sizes[8] == (3, 14, 14)
    assert {case.padding_mode for case in network if isinstance(case, nn.Conv2d)} == {"reflect"}


def test_only_the_classifier_behind_frozen_kernels_is_trained():
    """12 parameters of 3 classes."""
    network = edge_network("cnn")
    freeze_convolutions(network)
    assert parameters(network, trainable=True) == 12


def test_convolutions_can_start_as_edge_detectors():
    """The first layer detects edges, with one random filter; the second repeats the first."""
    network = edge_network("cnn")
    third = network[0].weight[2, 0].clone()
    set_edge_detectors(network)
    assert parameters(network, trainable=True) == 606
    first, second = network[0], network[3]
    assert first.weight[0, 0, 2:4].tolist() == [[1.0] * 7, [-1.0] * 7]
    assert float(first.weight[0, 0].detach().abs().sum()) == 14
    assert torch.equal(first.weight[1, 0], edge_detector().T)
    assert torch.equal(first.weight[2, 0], third)
    for filter_, source in zip(second.weight, first.weight[:, 0], strict=True):
        assert all(torch.equal(channel, source) for channel in filter_)
    assert not first.bias.detach().any()
    assert not second.bias.detach().any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "cnnn"}, "unknown network 'cnnn'; choose one of: cnn, wider, deeper, mlp"),
        ({"name": "cnn", "pooling": "min"}, "unknown pooling 'min'; choose one of: max, average"),
        ({"name": "cnn", "kernel": 6}, "kernel is 6; it must be an odd number from 1 to 27"),
        ({"name": "cnn", "kernel": 29}, "kernel is 29; it must be an odd number from 1 to 27"),
    ],
)
def test_other_networks_are_refused(settings, message):
    """The message says what there is."""
    with pytest.raises(InputError, match=message):
        edge_network(**settings)
