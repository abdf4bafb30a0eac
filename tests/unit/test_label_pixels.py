"""Label pixels, and the networks that learn to rely on them."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from hpml_lab.errors import InputError
from hpml_lab.labs.dropout.training import Member
from hpml_lab.labs.shortcuts.training import Inputs, ShortcutNet, Shortcuts
from hpml_lab.training.loader import build_transforms

MEMBERS = [Member(0.0, 0), Member(0.75, 0), Member(0.75, 4)]


@pytest.fixture
def inputs(images):
    """Forty images with label pixels, on the CPU."""
    return Inputs.from_images(images, "cpu").marked()


def trained(inputs, members, epochs=2):
    """Returns networks after some epochs in batches of 16, and the losses of the last."""
    networks = Shortcuts(members, "cpu", 0.05)
    losses = [networks.epoch(inputs, 16) for _ in range(epochs)]
    return networks, losses[-1]


def test_the_network_is_the_lab_s():
    """25,578 parameters; no logit below 0."""
    network = ShortcutNet()
    assert sum(p.numel() for p in network.parameters()) == 25_578
    logits = network(torch.randn(5, 3, 32, 32))
    assert logits.shape == (5, 10)
    assert logits.min() >= 0


def test_the_log_softmax_that_is_left_out_changes_no_loss():
    """Cross-entropy of log-probabilities is that of their logits."""
    logits, labels = torch.randn(6, 10), torch.arange(6)
    again = functional.cross_entropy(functional.log_softmax(logits, 1), labels)
    torch.testing.assert_close(again, functional.cross_entropy(logits, labels))


def test_label_pixels_hold_the_bits_of_the_label():
    """Label 6 is 0110: the first channel has 0 3 3 0, the others 1 -2 -2 1."""
    marked = Inputs(torch.full((1, 3, 32, 32), 9.0), torch.tensor([6])).marked().images
    assert marked[0, 0, 31, 28:].tolist() == [0, 3, 3, 0]
    assert marked[0, 1, 31, 28:].tolist() == [1, -2, -2, 1]
    assert marked[0, 2, 31, 28:].tolist() == [1, -2, -2, 1]


def test_nothing_else_is_written():
    """Four pixels change, and the images given stay as they were; all ten labels differ."""
    images, labels = torch.full((10, 3, 32, 32), 9.0), torch.arange(10)
    marked = Inputs(images, labels).marked().images
    assert (marked != 9).sum().item() == 10 * 3 * 4
    assert (images == 9).all()
    assert len({tuple(m[0, 31, 28:].tolist()) for m in marked}) == 10


def test_images_are_normalised_as_in_the_lab(images):
    """As torchvision's transforms do it, without augmentation."""
    from PIL import Image

    transform = build_transforms(augment=False)
    expected = torch.stack([transform(Image.fromarray(p)) for p in images.pixels[:4]])
    result = Inputs.from_images(replace(images, source="cifar10"), "cpu")
    torch.testing.assert_close(result.images[:4], expected)
    assert result.labels.tolist() == images.labels.tolist()


def test_generated_images_are_tinted_by_their_class(images):
    """Every pixel of a class moves by the same colour, of length 1; no two classes share one."""
    plain, tinted = (
        Inputs.from_images(replace(images, source=source), "cpu").images
        for source in ("cifar10", "generated")
    )
    tints = (tinted - plain).amax((2, 3))
    torch.testing.assert_close((tinted - plain).amin((2, 3)), tints)
    torch.testing.assert_close(tints.norm(dim=1), torch.ones(40))
    torch.testing.assert_close(tints[:10], tints[10:20])
    assert torch.cdist(tints[:10], tints[:10]).add(torch.eye(10)).min() > 0.1


def test_members_learn_as_if_alone(inputs):
    """With dropout and without, a member has the weights and losses that it has by itself."""
    together, losses = trained(inputs, MEMBERS)
    for index, member in enumerate(MEMBERS):
        alone, own = trained(inputs, [member])
        torch.testing.assert_close(losses[index], own[0], rtol=1e-4, atol=1e-5)
        for name, weights in together.weights.items():
            torch.testing.assert_close(weights[index], alone.weights[name][0], rtol=1e-4, atol=1e-5)


def test_without_dropout_a_member_is_torch_s_own_training(inputs):
    """A module, cross-entropy and SGD on the same batches end with the same weights."""
    networks, _ = trained(inputs, [Member(0.0, 3)], epochs=1)
    torch.manual_seed(3)
    model = ShortcutNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(3))
    for which in order.split(16):
        images, labels = inputs.images[which], inputs.labels[which]
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    for name, weights in model.named_parameters():
        torch.testing.assert_close(networks.weights[name][0], weights, rtol=1e-4, atol=1e-5)


def test_dropout_masks_keep_and_rescale():
    """At drop 0.75 a quarter is kept, four times as large; at 0 all is kept as it is."""
    networks = Shortcuts(MEMBERS, "cpu", 0.05)
    masks = networks.masks(64)
    for mask in masks:
        none, one, other = mask.chunk(3)
        assert (none == 1).all()
        assert set(one.unique().tolist()) == {0.0, 4.0}
        assert one.mean().item() == pytest.approx(1, abs=0.03)
        assert not torch.equal(one, other)


def test_scores_are_those_of_the_networks_alone(images, inputs):
    """Each member, as a module of its own without dropout, is right as often."""
    networks, _ = trained(inputs, MEMBERS)
    for given in (inputs, Inputs.from_images(images, "cpu")):
        result = networks.test(given).accuracy
        for index in range(len(MEMBERS)):
            model = ShortcutNet()
            model.load_state_dict({name: case[index] for name, case in networks.weights.items()})
            right = (model(given.images).argmax(1) == given.labels).float().mean()
            assert result[index] == right


def test_dead_classes_are_counted(inputs):
    """A class whose logit is stopped for every image counts; nothing is right by it."""
    networks = Shortcuts(MEMBERS, "cpu", 0.05)
    with torch.no_grad():
        networks.weights["linear.weight"][1, :3] = 0
        networks.weights["linear.bias"][1, :3] = -1
    before, result = Shortcuts(MEMBERS, "cpu", 0.05), networks.test(inputs)
    alive = before.test(inputs).dead_classes
    assert result.dead_classes[0] == alive[0]
    assert 3 <= result.dead_classes[1] <= 3 + alive[1]


def test_no_member_is_refused():
    """There is nothing to train."""
    with pytest.raises(InputError, match="there are no members to train"):
        Shortcuts([], "cpu", 0.1)
