"""C5: the same epochs on the CPU and on the GPU."""

import pytest

from hpml_lab.labs.cost import epochs_work
from hpml_lab.labs.device import IMAGES
from hpml_lab.theory.duration import Work
from hpml_lab.training.trainer import Trainer

CPU_IMAGES_PER_S = 200  # estimate for 16 cores


def sized(training, profile):
    """Returns the training, sized so that it is feasible on every device."""
    return profile.sized(training, images=IMAGES[profile.name])


def work(training, profile):
    """Returns the work of a case; on a CPU its seconds are estimated."""
    epochs, training = profile.epochs + 1, sized(training, profile)
    if training.device == "cpu":
        return Work(seconds=epochs * training.images / CPU_IMAGES_PER_S)
    return epochs_work(training, epochs)


def measure_epochs(measure, training, profile):
    """Measures the epochs of a case."""
    training = sized(training, profile)
    epochs = measure.epochs(Trainer(training), rounds=profile.epochs, timing="throughput")
    assert {epoch.samples for epoch in epochs} == {training.images}


@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="device")
def test_epoch(measure, training, profile):
    """Every epoch trains on all images, on the training's device."""
    measure_epochs(measure, training, profile)


@pytest.mark.gpu
@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="device")
@pytest.mark.hpml_axes(device=["cpu"])
def test_epoch_on_cpu_beside_gpu(measure, training, profile):
    """The CPU's epochs have the GPU's sizes."""
    measure_epochs(measure, training, profile)
