"""Networks trained at once are those that are trained one by one."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from hpml_lab.errors import InputError
from hpml_lab.labs.edges import training as edge_trainer
from hpml_lab.labs.edges.ensemble import Ensemble, cross_entropy
from hpml_lab.labs.edges.training import EdgeTrainer, EdgeTraining, train_alone

SEEDS = (3, 0, 11)
TRAIN = EdgeTrainer.train
SMALL = EdgeTraining(per_class=7, batch_size=10)  # two batches of 10 and one of a single image


def difference(training, epochs=3, seeds=SEEDS):
    """Returns the largest difference of a weight between an ensemble and its members alone."""
    together = EdgeTrainer(training, seeds)
    together.train(epochs)
    apart = []
    for index, seed in enumerate(seeds):
        alone, member = (
            train_alone(training, seed, epochs).state_dict(),
            together.networks.member(index),
        )
        assert alone.keys() == member.keys()
        apart += [float((alone[name] - member[name]).abs().max()) for name in alone]
    return max(apart)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"kernel": 3, "pooling": "average", "permuted": True},
        {"network": "mlp", "shifted": True},
        {"network": "wider", "classes": 5, "kernel": 5, "optimizer": "adam", "learning_rate": 1e-3},
        {"network": "deeper", "generator": 2025, "kernel": 3},
        {"kernel": 27, "per_class": 2},
        {"detectors": True, "frozen": True},
    ],
    ids=str,
)
def test_members_are_what_they_are_alone(settings):
    """Weights agree to rounding after several epochs, whatever the network, images, optimizer."""
    training = replace(SMALL, **settings)
    before = difference(training, epochs=0)
    assert before == 0
    assert difference(training) < 1e-5


def test_training_moves_the_weights_that_are_not_frozen():
    """The agreement is not that of networks at rest."""
    trainer = EdgeTrainer(replace(SMALL, frozen=True), SEEDS)
    before = [trainer.networks.member(index) for index in range(3)]
    trainer.train(3)
    for index, was in enumerate(before):
        now = trainer.networks.member(index)
        moved = {name for name in was if not torch.equal(was[name], now[name])}
        assert moved == {"7.weight", "7.bias"}


def test_members_differ():
    """Each seed has weights, images and an order of its own."""
    trainer = EdgeTrainer(SMALL, SEEDS)
    images, _ = trainer.training_images
    assert not torch.equal(images[0], images[1])
    first = [trainer.networks.member(index)["0.weight"] for index in range(3)]
    assert not torch.equal(first[0], first[1])
    orders = [torch.randperm(21, generator=edge_trainer.order_of(seed)) for seed in SEEDS]
    assert not torch.equal(orders[0], orders[1])


def test_an_order_that_members_share_would_be_seen(monkeypatch):
    """Each member's weights depend on the order of its own images."""
    monkeypatch.setattr(EdgeTrainer, "train", _in_one_order)
    assert difference(SMALL) > 1e-4


def _in_one_order(trainer, epochs):
    trainer._orders = [edge_trainer.order_of(0) for _ in trainer.seeds]
    TRAIN(trainer, epochs)


def test_a_loss_averaged_over_members_would_be_seen(monkeypatch):
    """Their gradients would be too small."""
    monkeypatch.setattr(edge_trainer, "cross_entropy", lambda *case: cross_entropy(*case) / 3)
    assert difference(SMALL) > 1e-4


def test_logits_are_those_of_each_network():
    """Each member sees its own images alone."""
    networks = [SMALL.build(seed) for seed in SEEDS]
    images = torch.rand(3, 4, 1, 28, 28)
    expected = torch.stack([case(one) for case, one in zip(networks, images, strict=True)])
    torch.testing.assert_close(Ensemble(networks)(images), expected)


def test_losses_are_means_of_each_member():
    """Uniform logits cost log 3; the sum over members has each member's own gradient."""
    logits = torch.zeros(2, 5, 3, requires_grad=True)
    losses = cross_entropy(logits, torch.zeros(2, 5, dtype=torch.int64))
    torch.testing.assert_close(losses.detach(), torch.full((2,), 1.0986123))
    losses.sum().backward()
    torch.testing.assert_close(logits.grad[:, :, 0], torch.full((2, 5), (1 / 3 - 1) / 5))


def test_layers_that_mix_members_are_refused():
    """Batch norm is not among the layers; an ensemble needs a member."""
    with pytest.raises(InputError, match=r"BatchNorm2d.* cannot be in an ensemble"):
        Ensemble([nn.Sequential(nn.BatchNorm2d(3))])
    with pytest.raises(InputError, match="no networks; give one or more"):
        Ensemble([])


def test_a_missing_device_is_said(monkeypatch):
    """Before any image is drawn."""
    monkeypatch.setattr(edge_trainer, "why_unavailable", lambda device: f"no {device} here")
    with pytest.raises(InputError, match="no cuda here"):
        EdgeTrainer(SMALL, SEEDS, "cuda")


def test_a_seed_leaves_the_random_state_as_it_is():
    """Whoever builds an ensemble draws the same numbers behind it."""
    state = torch.get_rng_state()
    EdgeTrainer(SMALL, SEEDS).train(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_an_ensemble_is_trained_without_tf32(monkeypatch):
    """Its members would be 1e-3 off those trained alone; behind it the setting is as it was."""
    seen = []
    convolutions = torch.backends.cudnn.conv
    before = convolutions.fp32_precision
    step = EdgeTrainer._step

    def watched(self, *batch):
        seen.append(convolutions.fp32_precision)
        step(self, *batch)

    monkeypatch.setattr(EdgeTrainer, "_step", watched)
    EdgeTrainer(SMALL, SEEDS).train(1)
    assert set(seen) == {"ieee"}
    assert convolutions.fp32_precision == before == "tf32"
