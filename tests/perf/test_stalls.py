"""How long a training waits for its images: epochs with and without loading them."""

import statistics

import pytest

from hpml_lab.measure.clock import clock_for
from hpml_lab.measure.stalls import Ready, ready_epochs_s, stall_record
from hpml_lab.workloads.trainer import Trainer


@pytest.mark.benchmark(group="stalls")
def test_epoch(measure, training, profile):
    """Epochs by the real pipeline stand between epochs of as many images that are there already.

    A machine that drifts thus slows both alike. Generated images are in memory; so are CIFAR-10's
    once they are opened, so no epoch fetches anything.
    """
    trainer = Trainer(training)
    clock = clock_for(training.device)
    ready = Ready(trainer)
    ready_epochs_s(ready, clock, 1)  # the first steps are slower
    before = ready_epochs_s(ready, clock, profile.epochs)
    epochs = measure.epochs(trainer, rounds=profile.epochs, timing="throughput")
    after = ready_epochs_s(ready, clock, profile.epochs)
    cached_s = statistics.median(epoch.total_s for epoch in epochs if not epoch.warm_up)
    measure.stalls |= stall_record(statistics.median(before + after), cached_s)
    assert {epoch.samples for epoch in epochs} == {sum(len(batch[1]) for batch in ready.loader)}
