"""What cuDNN may copy of one layer."""

import pytest
import torch
from torch import nn

from hpml_lab.errors import InputError
from hpml_lab.memory.kernels import largest_copies_bytes


def test_the_layer_with_most_counts():
    """2 images of 3x8x8 into 4x8x8 with 4x3x3x3 weights, then a smaller layer: float32 of all."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 1, 8), nn.Flatten())
    first = 4 * (2 * 3 * 64 + 2 * 4 * 64 + 4 * 3 * 9)
    assert largest_copies_bytes(model, (2, 3, 8, 8)) == first


def test_a_network_without_convolutions_copies_nothing():
    """A perceptron."""
    assert largest_copies_bytes(nn.Linear(4, 2), (3, 4)) == 0


def test_the_network_is_left_as_it_was():
    """No hook stays on it, and its weights are where they were."""
    model = nn.Conv2d(1, 1, 1)
    largest_copies_bytes(model, (1, 1, 2, 2))
    assert not model._forward_hooks
    assert model.weight.device == torch.device("cpu")


def test_a_batch_that_does_not_fit_is_refused():
    """In one line."""
    with pytest.raises(InputError, match="cannot take an input of 3x8x8"):
        largest_copies_bytes(nn.Conv2d(1, 1, 1), (2, 3, 8, 8))
