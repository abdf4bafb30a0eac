"""Stalls of training from loading images: epochs with and without loading."""

import statistics

import pytest

from hpml_lab.labs.cost import epochs_work
from hpml_lab.labs.stalls.measured import Ready, fetch_s, ready_epochs_s, stall_record
from hpml_lab.measure.clock import clock_for
from hpml_lab.training import cifar10
from hpml_lab.training.images import data_folder
from hpml_lab.training.trainer import Trainer


@pytest.mark.hpml_once  # its rounds are repetitions already
@pytest.mark.hpml_work(by=lambda training, profile: epochs_work(training, 2 * profile.epochs + 3))
@pytest.mark.benchmark(group="stalls")
def test_epoch(measure, training, profile):
    """Epochs of the real pipeline run between epochs whose images are on the device already.

    Drift of the machine therefore affects both equally. A cold epoch has to read the images from
    storage first, while later epochs have them in memory. Generated images are not on storage.
    """
    trainer = Trainer(training)
    clock = clock_for(training.device)
    ready = Ready(trainer)
    ready_epochs_s(ready, clock, 1)  # the first steps are slower
    half = (profile.epochs + 1) // 2
    before = ready_epochs_s(ready, clock, half)
    epochs = measure.epochs(trainer, rounds=profile.epochs, timing="throughput")
    after = ready_epochs_s(ready, clock, half)
    cached_s = statistics.median(epoch.total_s for epoch in epochs if not epoch.warm_up)
    fetched_s = cold_fetch_s(training.data) if trainer.source == "cifar10" else None
    cold_s = None if fetched_s is None else cached_s + fetched_s
    measure.stalls |= stall_record(statistics.median(before + after), cached_s, cold_s)
    assert {epoch.samples for epoch in epochs} == {sum(len(batch[1]) for batch in ready.loader)}


def cold_fetch_s(data):
    """Returns the additional seconds of reading the images from storage; None if unknown."""
    folder = data_folder(data)
    files = cifar10.files(folder, "train")
    return fetch_s(lambda: cifar10.read(folder, "train"), files, clock_for("cpu"))
