"""GPU-memory lab, section 3: the fastest and the most accurate batch size over ten epochs.

The lab draws its images with replacement, so that some are missing. Here all are distinct.
"""

from dataclasses import replace

import pytest

from hpml_lab.labs.batch_learning import SIZES
from hpml_lab.labs.cost import epochs_work
from hpml_lab.theory.duration import Work
from hpml_lab.training.optimizers import learning_rate_for
from hpml_lab.training.trainer import Trainer

EPOCHS = 10
EVALUATED = 4 / 3  # one more forward pass for each sample


def work(training, profile):
    """Returns the work of a case."""
    if training.batch_size > SIZES[profile.name].images:
        return Work()
    return epochs_work(sized(training, profile), round(EVALUATED * EPOCHS))


def sized(training, profile):
    """Returns the lab's training at one batch size: its network, images and learning rate."""
    training = profile.sized(
        training,
        network=SIZES[profile.name].network,
        images=SIZES[profile.name].images,
        image=SIZES[profile.name].image,
        workers=SIZES[profile.name].workers,
        learning_rate=learning_rate_for(training.batch_size),
        optimizer_settings="default",
        transforms="plain",
    )
    return replace(training, persistent_workers=True)


@pytest.fixture
def lab_training(training, profile):
    """The lab's training; skips if an epoch has no whole batch."""
    if training.batch_size > SIZES[profile.name].images:
        pytest.skip(
            f"an epoch has only {SIZES[profile.name].images} images in profile {profile.name}"
        )
    return sized(training, profile)


@pytest.mark.learning
@pytest.mark.hpml_once
@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="batch_learning")
@pytest.mark.hpml_axes(batch_size=[4, 16, 64, 256, 1024], seed=[0, 1, 2])
def test_epochs(measure, lab_training):
    """Ten epochs, each followed by an evaluation on the same images outside its time."""
    Trainer(lab_training).fixed_step()()  # initialises libraries before the first epoch
    trainer = Trainer(lab_training)
    epochs = measure.epochs(trainer, rounds=EPOCHS, warm_up=0, timing="throughput", evaluated=True)
    assert [epoch.index for epoch in epochs] == list(range(1, EPOCHS + 1))
    assert {epoch.evaluation.samples for epoch in epochs} == {lab_training.images}
