"""Dropout lab, 1(i): whether dropout keeps a network from relying on label pixels alone.

Every network learns from images that carry their label, and is tested with and without it.
"""

import pytest

from hpml_lab.labs.cost import CIFAR10_IMAGES
from hpml_lab.labs.dropout.training import Member
from hpml_lab.labs.shortcuts import SIZES
from hpml_lab.labs.shortcuts.training import Inputs, Shortcuts
from hpml_lab.runs.schema import Learning
from hpml_lab.theory.duration import Work
from hpml_lab.training.images import open_images

EPOCHS = 10


def work(profile):
    """Returns the work of a case: small steps, each of all networks at once."""
    return Work(
        small_steps=EPOCHS
        * (SIZES[profile.name].images or CIFAR10_IMAGES)
        // SIZES[profile.name].batch
    )


@pytest.fixture
def inputs(training, profile):
    """Training and test images on the device, without label pixels, and their source."""
    images, others = (open_images(training.data, split) for split in ("train", "test"))
    sized = [
        split.first(count) if count else split
        for split, count in (
            (images, SIZES[profile.name].images),
            (others, SIZES[profile.name].tests),
        )
    ]
    return *(Inputs.from_images(split, training.device) for split in sized), images.source


@pytest.mark.learning
@pytest.mark.hpml_once
@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="shortcuts")
@pytest.mark.parametrize("drop", [0.0, 0.75])
def test_label_pixels(measure, training, profile, inputs, drop):
    """Ten epochs; with label pixels the networks are more accurate than chance."""
    learnt, unseen, source = inputs
    learnt = learnt.marked()
    members = [Member(drop, training.seed + seed) for seed in range(SIZES[profile.name].seeds)]
    how = {
        "batch_size": SIZES[profile.name].batch,
        "learning_rate": SIZES[profile.name].learning_rate,
    }
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
