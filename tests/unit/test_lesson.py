"""What is read of networks while they learn."""

from dataclasses import replace

import pytest
import torch

from hpml_lab.labs.edges.curves import CurveRecorder, confusion, edge_likeness, points_until
from hpml_lab.labs.edges.networks import edge_detector
from hpml_lab.labs.edges.training import EdgeTrainer, EdgeTraining

SMALL = EdgeTraining(kernel=3, per_class=4, epochs=4)


def test_points_end_with_the_last_epoch():
    """Before the first epoch, some on the way, and behind the last."""
    assert points_until(4) == [0, 1, 3, 4]
    assert points_until(30) == [0, 1, 3, 10, 20, 30]


def test_looking_changes_no_training():
    """A network that was looked at on the way is the one that was not."""
    watched, other = EdgeTrainer(SMALL, [0, 5]), EdgeTrainer(SMALL, [0, 5])
    learnt = CurveRecorder(watched)()
    other.train(4)
    for name, weight in other.networks.weights.items():
        assert torch.equal(watched.networks.weights[name], weight)
    assert learnt.seeds == [0, 5]
    assert learnt.points == [0, 1, 3, 4]


def test_metrics_are_those_of_the_networks():
    """The last accuracy, loss and confusion are those of the trained networks, to five digits."""
    trainer = EdgeTrainer(replace(SMALL, epochs=2), [0, 5])
    learnt = CurveRecorder(trainer, kernels=True)()
    images, labels = trainer.validation_images
    for index in range(2):
        network = SMALL.build(0)
        network.load_state_dict(trainer.networks.member(index))
        with torch.no_grad():
            logits = network(images[index])
        hits = (logits.argmax(1) == labels[index]).sum().item()
        loss = torch.nn.functional.cross_entropy(logits, labels[index]).item()
        assert learnt.metrics["accuracy"][index][-1] == pytest.approx(hits / 150, abs=1e-5)
        assert learnt.metrics["loss"][index][-1] == pytest.approx(loss, abs=2e-5)
        table = learnt.matrices["confusion"][index]
        assert [sum(row) for row in table] == [50, 50, 50]
        assert sum(table[c][c] for c in range(3)) == hits
        kernels = learnt.matrices["kernels_after"][index]
        assert kernels[2] == pytest.approx(network[0].weight[2].flatten().tolist(), abs=1e-5)
    assert {tuple(row[:1]) for row in learnt.metrics["start_likeness"]} == {(1.0,)}


def test_a_perceptron_has_no_kernels():
    """Neither likeness nor pictures; its samples are all images of all members and epochs."""
    trainer = EdgeTrainer(replace(SMALL, network="mlp"), [1, 2, 3])
    lesson = CurveRecorder(trainer, kernels=True)
    assert (lesson.samples, lesson.device) == (3 * 12 * 4, "cpu")
    learnt = lesson()
    assert set(learnt.metrics) == {"accuracy", "loss", "training_accuracy"}
    assert set(learnt.matrices) == {"confusion"}


def test_confusion_counts_pairs():
    """Of two images of class 1, one is called 0 and one 1."""
    said = torch.tensor([[0, 0, 1], [0, 1, 1]])
    labels = torch.tensor([[0, 1, 1], [0, 1, 1]])
    assert confusion(said, labels).tolist() == [[[1, 0], [1, 1]], [[1, 0], [0, 2]]]


def test_detectors_are_like_detectors():
    """A detector, its negative and its transpose come to 1, wherever their edge is."""
    detector = edge_detector()
    kernels = torch.stack([detector, -detector.roll(2, 0), detector.T])[None]
    torch.testing.assert_close(edge_likeness(kernels), torch.ones(1))
    blurred = torch.stack([detector + 1, detector, detector])[None]
    assert edge_likeness(blurred) < 0.85


def test_random_kernels_are_hardly_like_detectors():
    """Of 7 x 7 random pixels the best of 24 places comes to about 0.3, as is stated."""
    kernels = torch.rand(50, 20, 7, 7, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert float(edge_likeness(kernels).mean()) == pytest.approx(0.3, abs=0.03)
