"""What each technique of a fast training gives: alone over the plain loop, and in the recipe."""

from dataclasses import replace

import pytest

from hpml_lab.labs.cost import epochs_work
from hpml_lab.labs.techniques import SIZES, TECHNIQUES, recipes
from hpml_lab.measure.out_of_memory import release_cached_memory
from hpml_lab.training.backends import empty_caches, unavailable
from hpml_lab.training.trainer import Trainer

WARM_UP, ROUNDS = 1, 3
NAMES = [*dict.fromkeys(name for device in TECHNIQUES for name in recipes(device, SIZES["full"]))]


def sized(training, profile, recipe):
    """Returns the training of a recipe; all batches of an epoch are of one size."""
    sizes = SIZES[profile.name]
    training = replace(profile.sized(training, images=sizes.images), drop_last=True)
    return replace(training, **recipes(training.device, sizes)[recipe])


def takes_part(training, profile, recipe):
    """Whether a device has the recipe in this profile."""
    return recipe in recipes(training.device, SIZES[profile.name])


def work(training, profile, recipe):
    """Returns what a case does."""
    if not takes_part(training, profile, recipe):
        return epochs_work(training, 0)
    return epochs_work(sized(training, profile, recipe), WARM_UP + ROUNDS)


@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="techniques")
@pytest.mark.parametrize("recipe", NAMES)
def test_epochs(measure, training, profile, recipe):
    """Every recipe trains on all images; none synchronises within an epoch."""
    if not takes_part(training, profile, recipe):
        pytest.skip(f"{recipe} is none of {training.device} in profile {profile.name}")
    training = sized(training, profile, recipe)
    if reason := unavailable(training.compile_mode, training.device):
        pytest.skip(reason)
    release_cached_memory()
    trainer = Trainer(training)
    with empty_caches(training.device):
        epochs = measure.epochs(trainer, rounds=ROUNDS, warm_up=WARM_UP, timing="throughput")
    measure.case["recipe"] = recipe
    assert {epoch.samples for epoch in epochs} == {training.images}
