"""C5: the same epochs on the CPU and on the GPU."""

import pytest

from hpml_lab.theory.duration import Work
from hpml_lab.workloads.trainer import Trainer
from hpml_lab.workloads.work import epochs_work

CPU_IMAGES_PER_S = 200  # a guess for 16 cores


def sized(training, profile):
    """Returns a training that every device can end."""
    return profile.sized(training, images=profile.device_images)


def work(training, profile):
    """Returns what a case does; on a CPU its seconds are guessed."""
    epochs, training = profile.epochs + 1, sized(training, profile)
    if training.device == "cpu":
        return Work(seconds=epochs * training.images / CPU_IMAGES_PER_S)
    return epochs_work(training, epochs)


def measure_epochs(measure, training, profile):
    """Times the epochs of a case."""
    training = sized(training, profile)
    epochs = measure.epochs(Trainer(training), rounds=profile.epochs, timing="throughput")
    assert {epoch.samples for epoch in epochs} == {training.images}


@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="device")
def test_epoch(measure, training, profile):
    """Every epoch trains on all images, on the device asked for."""
    measure_epochs(measure, training, profile)


@pytest.mark.gpu
@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="device")
@pytest.mark.hpml_axes(device=["cpu"])
def test_epoch_on_cpu_beside_gpu(measure, training, profile):
    """The CPU's side of the comparison has the GPU's sizes."""
    measure_epochs(measure, training, profile)
