"""The networks and their exact counts."""

import copy

import pytest
import torch
from torch import nn

from hpml_lab.errors import InputError
from hpml_lab.memory.meta import EmptyWeights, without_storage
from hpml_lab.memory.network_counts import summarise
from hpml_lab.training.networks import build_network, check_network


@pytest.fixture(scope="module")
def cifar():
    """The summary of the lab's network."""
    return summarise(build_network("resnet18-cifar"))


@pytest.fixture(scope="module")
def without_norm():
    """The summary of the lab's network without batch norm."""
    return summarise(build_network("resnet18-cifar", batch_norm=False))


def test_cifar_resnet_has_the_lab_s_parameters(cifar):
    """11,173,962 parameters in 62 tensors, all trainable, each with a gradient."""
    assert cifar.parameters == cifar.trainable_parameters == cifar.gradients == 11_173_962
    assert (cifar.parameter_tensors, cifar.buffers, cifar.buffers_bytes) == (62, 9_620, 38_560)


def test_cifar_resnet_has_the_lab_s_layers(cifar):
    """20 convolutions, 512 inputs of the last linear layer, a stem output of 32x32."""
    assert (cifar.convolutions, cifar.last_linear_inputs) == (20, 512)
    assert cifar.layers[0].output_shape == (64, 32, 32)


def test_cifar_resnet_has_the_lab_s_flops(cifar):
    """1,110,845,440 FLOP forward and 3,328,997,376 with the backward pass."""
    assert cifar.forward_flops_per_sample == 1_110_845_440
    assert cifar.flops_per_sample == 3_328_997_376


def test_cifar_resnet_has_the_lab_s_layer_table(cifar):
    """49 rows, the last convolution in row 46; 0.01, 11.25 and 42.63 MiB."""
    rows = [row for row, layer in enumerate(cifar.layers, 1) if layer.kind == "Conv2d"]
    assert (len(cifar.layers), rows[-1]) == (49, 46)
    sizes = (cifar.input_bytes, cifar.table_activation_bytes, cifar.parameters_bytes)
    assert [round(size / 2**20, 2) for size in sizes] == [0.01, 11.25, 42.63]


def test_cifar_resnet_without_batch_norm(without_norm):
    """11,164,362 parameters in 22 tensors, no buffer, 29 rows, the same FLOP."""
    assert (without_norm.parameters, without_norm.parameter_tensors) == (11_164_362, 22)
    assert (without_norm.buffers, len(without_norm.layers)) == (0, 29)
    assert without_norm.flops_per_sample == 3_328_997_376


def test_resnet152_with_ten_classes():
    """58,164,298 parameters in 467 tensors, 232,657,192 bytes, 155 convolutions."""
    with torch.device("meta"):
        result = summarise(build_network("resnet152"))
    assert (result.parameters, result.parameter_tensors) == (58_164_298, 467)
    assert (result.parameters_bytes, result.convolutions) == (232_657_192, 155)


def test_torchvision_s_resnet18_is_another_network():
    """11,181,642 parameters with the 7x7 stem, against 11,173,962."""
    assert summarise(build_network("resnet18")).parameters == 11_181_642


def test_any_torchvision_classifier_can_be_named():
    """torchvision:NAME builds it with the classes asked for."""
    model = build_network("torchvision:mobilenet_v3_small", classes=7)
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("googlenet", 6_624_904), ("inception_v3", 27_161_264 - 3_326_696)],
)
def test_auxiliary_heads_are_left_out(name, parameters):
    """Torchvision states 6,624,904 and 27,161,264; Inception's head has 3,326,696 of them."""
    with EmptyWeights():
        model = build_network(f"torchvision:{name}", classes=1000)
    assert summarise(model, (3, 299, 299)).parameters == parameters


def test_tied_weights_are_counted_once():
    """Two layers that share a weight of twelve values have twelve, and one bias each."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 12), nn.Linear(12, 12))
    model[2].weight = model[1].weight
    assert summarise(model, (3, 2, 2)).parameters == 12 * 12 + 2 * 12


def test_a_copy_without_storage_is_the_same_network():
    """Shapes, strides, sharing, modes and what is trained stay; there is no memory."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4).eval(), nn.Conv2d(3, 4, 3))
    model[2].weight = model[0].weight
    model[0].bias.requires_grad_(False)
    model = model.to(memory_format=torch.channels_last)
    twin = without_storage(model)
    ours, theirs = twin.state_dict(keep_vars=True), model.state_dict(keep_vars=True)
    assert [(k, v.shape, v.stride(), v.requires_grad) for k, v in ours.items()] == [
        (k, v.shape, v.stride(), v.requires_grad) for k, v in theirs.items()
    ]
    assert {tensor.device.type for tensor in ours.values()} == {"meta"}
    assert twin[2].weight is twin[0].weight
    assert (twin.training, twin[1].training) == (True, False)


def test_width_scales_every_stage():
    """Half the width has the channels 32, 64, 128, 256."""
    result = summarise(build_network("resnet18-cifar", width=32))
    assert result.last_linear_inputs == 256
    assert result.layers[0].output_shape == (32, 32, 32)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_grouped_convolutions_cost_a_group_s_share(groups):
    """8 * 4 / groups weights of 3x3 at 6x6 pixels, once forward and twice backward.

    Before it stands a 1x1 convolution, once forward and once backward.
    """
    first = nn.Conv2d(3, 4, 1, bias=False)
    grouped = nn.Conv2d(4, 8, 3, groups=groups, bias=False)
    result = summarise(nn.Sequential(first, grouped, nn.Flatten()), (3, 8, 8))
    once = 2 * 8 * 4 // groups * 9 * 36
    assert result.forward_flops_per_sample == 2 * 3 * 4 * 64 + once
    assert result.flops_per_sample == 2 * (2 * 3 * 4 * 64) + 3 * once


def test_transposed_convolutions_use_every_weight_once_a_pixel_of_the_input():
    """4 * 8 * 9 weights at 8x8 pixels that come in, forward and twice backward."""
    first = nn.Conv2d(3, 4, 1, bias=False)
    widening = nn.ConvTranspose2d(4, 8, 3, bias=False)
    result = summarise(nn.Sequential(first, widening, nn.Flatten()), (3, 8, 8))
    assert result.flops_per_sample == 2 * (2 * 3 * 4 * 64) + 3 * (2 * 4 * 8 * 9 * 64)


def test_a_summary_changes_nothing():
    """Weights, statistics, gradients, mode, hooks and the random state stay as they were."""
    model = build_network("resnet18-cifar", width=2).eval()
    model.linear.bias.requires_grad_(False)
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    result = summarise(model)
    assert result.trainable_parameters == result.gradients == result.parameters - 10
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    assert not model.training
    assert torch.equal(state, torch.get_rng_state())


def test_a_summary_does_not_draw_random_numbers():
    """Dropout in the network does not move the random state."""
    model = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(12, 3))
    state = torch.get_rng_state()
    summarise(model, (3, 2, 2))
    assert torch.equal(state, torch.get_rng_state())


def test_a_summary_of_impossible_input_is_one_error():
    """An input that the network cannot take is an error that names its shape."""
    with pytest.raises(InputError, match="cannot take an input of 1x32x32"):
        summarise(build_network("resnet18-cifar", width=2), (1, 32, 32))


def test_images_too_small_for_the_network_are_refused():
    """The CIFAR ResNet says how small an image may be."""
    with pytest.raises(InputError, match=r"images of 16x16 are too small.*25 or more"):
        build_network("resnet18-cifar", width=2)(torch.zeros(1, 3, 16, 16))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet19", {}, "unknown network 'resnet19'; choose one of: resnet18-cifar, resnet18,"),
        ("torchvision:nothing", {}, "unknown network 'torchvision:nothing'"),
        ("resnet18-cifar", {"width": 0}, "width 0 is not a number of channels; give 1 or more"),
        ("resnet50", {"width": 8}, "width 8 cannot be set for resnet50"),
        ("torchvision:vgg11", {"batch_norm": False}, "batch_norm cannot be left out"),
    ],
)
def test_impossible_networks_are_refused(name, options, message):
    """Unknown names and options that a network does not have are errors."""
    with pytest.raises(InputError, match=message):
        check_network(name, **options)


def test_resnets_of_torchvision_can_do_without_batch_norm():
    """Leaving it out leaves no buffer and no bias behind."""
    model = build_network("resnet18", batch_norm=False)
    assert not list(model.buffers())
    assert {name for name, _ in model.named_parameters() if "bias" in name} == {"fc.bias"}


def test_attention_is_counted_and_has_no_row():
    """A module that gives a pair has parameters like any other, and no output to show."""
    with EmptyWeights():
        model = build_network("torchvision:vit_b_16", classes=1000)
    counts = summarise(model, (3, 224, 224))
    assert counts.parameters == 86_567_656
    names = [layer.name for layer in counts.layers]
    assert "encoder.layers.encoder_layer_0.ln_1" in names
    assert "encoder.layers.encoder_layer_0.self_attention" not in names
