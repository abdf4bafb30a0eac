"""Dropout lab, 1(i): whether dropout keeps a network from relying on label pixels alone.

Every network learns from images that carry their label, and is tested with and without it.
"""

import pytest

from hpml_lab.measure.record import Learning
from hpml_lab.theory.duration import Work
from hpml_lab.workloads.images import open_images
from hpml_lab.workloads.linear_dropout import Member
from hpml_lab.workloads.shortcuts import Inputs, Shortcuts
from hpml_lab.workloads.work import CIFAR10_IMAGES

EPOCHS = 10


def work(profile):
    """Returns what a case does: small steps, all networks at once."""
    return Work(
        small_steps=EPOCHS * (profile.shortcut_images or CIFAR10_IMAGES) // profile.shortcut_batch
    )


@pytest.fixture
def inputs(training, profile):
    """Training and test images on the device, without label pixels, and where they come from."""
    images, others = (open_images(training.data, split) for split in ("train", "test"))
    sized = [
        of.first(count) if count else of
        for of, count in ((images, profile.shortcut_images), (others, profile.shortcut_tests))
    ]
    return *(Inputs.of(of, training.device) for of in sized), images.source


@pytest.mark.learning
@pytest.mark.hpml_once
@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="shortcuts")
@pytest.mark.parametrize("drop", [0.0, 0.75])
def test_label_pixels(measure, training, profile, inputs, drop):
    """Ten epochs; with the label pixels the networks are right more often than by chance."""
    learnt, unseen, source = inputs
    learnt = learnt.marked()
    members = [Member(drop, training.seed + seed) for seed in range(profile.shortcut_seeds)]
    how = {"batch_size": profile.shortcut_batch, "learning_rate": profile.shortcut_learning_rate}
    epochs = []

    def lab():
        networks = Shortcuts(members, training.device, how["learning_rate"])
        for _ in range(EPOCHS):
            losses = networks.epoch(learnt, how["batch_size"])
            marked, clean = map(networks.test, (unseen.marked(), unseen))
            epochs.append([losses, marked.accuracy, clean.accuracy, marked.dead_classes])

    measure(lab, rounds=1, samples=EPOCHS * len(learnt.labels))
    measure.case |= {"lab": "dropout", "method": "shortcut", "device": training.device} | how
    measure.case |= {"images": len(learnt.labels), "tests": len(unseen.labels), "source": source}
    names = ("loss", "accuracy_with_label_pixels", "accuracy_clean", "dead_classes")
    metrics = {
        name: [[values[index][seed].item() for values in epochs] for seed in range(len(members))]
        for index, name in enumerate(names)
    }
    measure.learning = Learning([m.seed for m in members], [*range(1, EPOCHS + 1)], metrics)
    reached = [seed[-1] for seed in metrics["accuracy_with_label_pixels"]]
    assert sum(reached) / len(reached) > 0.15
