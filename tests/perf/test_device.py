"""C5: the same epochs on the CPU and on the GPU."""

import pytest

from hpml_lab.workloads.trainer import Trainer


def measure_epochs(measure, training, profile):
    """Times epochs that every device can end."""
    training = profile.sized(training, images=profile.device_images)
    epochs = measure.epochs(Trainer(training), rounds=profile.epochs, timing="throughput")
    assert {epoch.samples for epoch in epochs} == {training.images}


@pytest.mark.benchmark(group="device")
def test_epoch(measure, training, profile):
    """Every epoch trains on all images, on the device asked for."""
    measure_epochs(measure, training, profile)


@pytest.mark.gpu
@pytest.mark.benchmark(group="device")
@pytest.mark.axes(device=["cpu"])
def test_epoch_on_cpu_beside_gpu(measure, training, profile):
    """The CPU's side of the comparison has the GPU's sizes."""
    measure_epochs(measure, training, profile)
