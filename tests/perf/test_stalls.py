"""How long a training waits for its images: epochs with and without loading them."""

import statistics

import pytest

from hpml_lab.measure.clock import clock_for
from hpml_lab.measure.cold import fetch_s
from hpml_lab.measure.stalls import Ready, ready_epochs_s, stall_record
from hpml_lab.workloads import cifar10
from hpml_lab.workloads.images import data_folder
from hpml_lab.workloads.trainer import Trainer
from hpml_lab.workloads.work import epochs_work


@pytest.mark.hpml_once  # it repeats itself
@pytest.mark.hpml_work(by=lambda training, profile: epochs_work(training, 2 * profile.epochs + 3))
@pytest.mark.benchmark(group="stalls")
def test_epoch(measure, training, profile):
    """Epochs by the real pipeline stand between epochs of as many images that are there already.

    A machine that drifts thus slows both alike. A cold epoch is one that first has to open the
    images, which later ones have in memory; generated images are on no storage of their own.
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
    """Returns the seconds that storage adds to opening the images; None if it cannot be told."""
    folder = data_folder(data)
    files = cifar10.files(folder, "train")
    return fetch_s(lambda: cifar10.read(folder, "train"), files, clock_for("cpu"))
