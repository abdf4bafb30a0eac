"""GPU-memory lab, section 3: which batch size is fastest over ten epochs, and which learns most.

The lab draws its images with replacement, so that some are missing; here all are distinct.
"""

from dataclasses import replace

import pytest

from hpml_lab.theory.duration import Work
from hpml_lab.workloads.optimizers import learning_rate_for
from hpml_lab.workloads.trainer import Trainer
from hpml_lab.workloads.work import epochs_work

EPOCHS = 10
EVALUATED = 4 / 3  # a forward pass more for each sample


def work(training, profile):
    """Returns what a case does."""
    if training.batch_size > profile.batch_images:
        return Work()
    return epochs_work(sized(training, profile), round(EVALUATED * EPOCHS))


def sized(training, profile):
    """Returns the lab's training at one batch size: its network, images and learning rate."""
    training = profile.sized(
        training,
        network=profile.batch_network,
        images=profile.batch_images,
        image=profile.batch_image,
        workers=profile.batch_workers,
        learning_rate=learning_rate_for(training.batch_size),
        optimizer_settings="default",
        transforms="plain",
    )
    return replace(training, persistent_workers=True)


@pytest.fixture
def lab_training(training, profile):
    """The lab's training, where an epoch has a whole batch."""
    if training.batch_size > profile.batch_images:
        pytest.skip(f"an epoch has only {profile.batch_images} images in profile {profile.name}")
    return sized(training, profile)


@pytest.mark.learning
@pytest.mark.hpml_once
@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="batch_learning")
@pytest.mark.hpml_axes(batch_size=[4, 16, 64, 256, 1024], seed=[0, 1, 2])
def test_epochs(measure, lab_training):
    """Ten epochs, each followed by an evaluation on the same images outside its time."""
    Trainer(lab_training).fixed_step()()  # libraries start before the first epoch, not in it
    trainer = Trainer(lab_training)
    epochs = measure.epochs(trainer, rounds=EPOCHS, warm_up=0, timing="throughput", evaluated=True)
    assert [epoch.index for epoch in epochs] == list(range(1, EPOCHS + 1))
    assert {epoch.evaluation.samples for epoch in epochs} == {lab_training.images}
