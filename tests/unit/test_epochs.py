"""An epoch's time, taken apart on a clock that the test moves."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hpml_lab.errors import MeasurementError, NonFiniteLossError, TimingGapError
from hpml_lab.measure import epochs
from hpml_lab.measure.epochs import run_epoch
from hpml_lab.runs.schema import Epoch, Parts
from hpml_lab.training.trainer import Trainer
from hpml_lab.training.training import Training

WAIT_S, COPY_S, COMPUTE_S, START_S = 1.0, 0.25, 2.0, 0.5


class Scripted:
    """A trainer whose every phase takes a known time; losses and hits are given by batch."""

    def __init__(self, clock, batches):
        self._clock = clock
        self._batches = batches
        self.loader = self

    def __iter__(self):
        self._clock.advance(START_S)
        return self._loaded()

    def _loaded(self):
        for batch in self._batches:
            self._clock.advance(WAIT_S)
            yield batch

    def to_device(self, batch):
        self._clock.advance(COPY_S)
        return batch

    def step(self, batch):
        self._clock.advance(COMPUTE_S)
        loss, labels = batch
        return loss, torch.eye(1, 2).expand(len(labels), 2)  # the first of two classes


def batch(loss, labels):
    """Returns a batch: its loss and its labels."""
    return torch.tensor(loss), torch.tensor(labels)


BATCHES = [batch(1.0, [0, 0, 1]), batch(5.0, [1])]


def test_parts_are_the_seconds_of_each_phase(clock):
    """Waiting holds the loader's start; two batches wait, copy and compute twice."""
    epoch = run_epoch(Scripted(clock, BATCHES), clock)
    assert epoch.parts == Parts(
        wait_s=START_S + 2 * WAIT_S, copy_s=0.5, compute_s=4.0, other_s=0.0, start_s=START_S,
        first_compute_s=COMPUTE_S,
    )  # fmt: skip
    assert epoch.total_s == epoch.parts.sum_s == 7.0
    assert epoch.gap == 0.0


def test_loss_is_weighted_by_samples(clock):
    """Losses 1 and 5 of batches of 3 and 1 have the mean 2; two of four labels are hit."""
    epoch = run_epoch(Scripted(clock, BATCHES), clock, 7, warm_up=True)
    assert (epoch.samples, epoch.loss, epoch.accuracy) == (4, 2.0, 0.5)
    assert (epoch.index, epoch.warm_up) == (7, True)


def test_phases_wait_for_the_device_behind_each_phase(clock):
    """Start, four phases of two batches, the last wait, and both ends."""
    run_epoch(Scripted(clock, BATCHES), clock)
    assert clock.synchronised == 1 + 1 + 2 * 4 + 1 + 1 + 1


def test_throughput_waits_for_the_device_at_the_ends_alone(clock):
    """Nothing is synchronised inside, so there are no parts that could mislead."""
    epoch = run_epoch(Scripted(clock, BATCHES), clock, timing="throughput")
    assert (clock.synchronised, epoch.parts, epoch.gap, epoch.total_s) == (2, None, 0.0, 7.0)


def test_no_value_is_read_for_each_batch(clock, monkeypatch):
    """The device is asked for loss and hits once an epoch, whatever the number of batches."""
    reads = []
    for name in ("item", "__float__"):
        plain = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, counted(plain, reads))
    run_epoch(Scripted(clock, BATCHES * 5), clock)
    assert reads == ["__float__", "__float__"]


def counted(method, reads):
    """Returns a method that notes its name when called."""

    def call(tensor):
        reads.append(method.__name__)
        return method(tensor)

    return call


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_an_error(clock, loss):
    """One bad batch voids the epoch, and the error says which epoch."""
    trainer = Scripted(clock, [*BATCHES, batch(loss, [0])])
    with pytest.raises(NonFiniteLossError, match=rf"the loss became {loss} in epoch 3; no result"):
        run_epoch(trainer, clock, 3)


def test_no_batch_is_an_error(clock):
    """An epoch without a batch has no loss."""
    with pytest.raises(MeasurementError, match="the loader gave no batch"):
        run_epoch(Scripted(clock, []), clock)


def test_parts_that_miss_the_total_are_an_error(clock, monkeypatch):
    """A phase that nobody books, 3 % of the epoch, voids it."""
    plain = epochs._Laps.end

    def forgetful(laps, phase):
        plain(laps, phase)
        if phase == "start":
            laps._began_s += 0.21

    monkeypatch.setattr(epochs._Laps, "end", forgetful)
    message = r"parts of epoch 1 add up to 6.79\d+ s of 7.00\d+ s, more than 2%"
    with pytest.raises(TimingGapError, match=message):
        run_epoch(Scripted(clock, BATCHES), clock)


def test_the_gap_is_a_share_of_the_total():
    """Parts of 98 of 100 seconds leave a gap of 2 %."""
    epoch = Epoch(
        index=1,
        warm_up=False,
        samples=1,
        loss=0.0,
        accuracy=0.0,
        total_s=100.0,
        parts=Parts(wait_s=48.0, copy_s=20.0, compute_s=20.0, other_s=10.0, start_s=0.0),
    )
    assert epoch.gap == pytest.approx(0.02)


class Reads(TorchDispatchMode):
    """Counts reads of a tensor's value by the host, which wait for the device."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


class Reading(Scripted):
    """A trainer that reads each loss, and counts the reads before the epoch's sums are read."""

    def step(self, batch):
        loss, outputs = super().step(batch)
        float(loss)
        return loss, outputs


def reads(trainer, clock):
    """Returns how often a value was read in an epoch."""
    with Reads() as counted:
        run_epoch(trainer, clock, timing="throughput")
    return counted.count


def test_an_epoch_reads_its_sums_once_whatever_its_batches(clock):
    """Two batches or four: as many reads. A trainer that reads every loss reads more."""
    few, many = BATCHES, 2 * BATCHES
    assert 0 < reads(Scripted(clock, few), clock) == reads(Scripted(clock, many), clock)
    assert reads(Reading(clock, few), clock) < reads(Reading(clock, many), clock)


@pytest.mark.integration
def test_the_lab_s_own_trainer_reads_nothing_within_an_epoch(clock):
    """Real steps of the real network: as many reads in an epoch of four batches as of two."""
    few, many = (
        Trainer(Training(width=1, images=images, batch_size=2, workers=0, pipeline="batched"))
        for images in (4, 8)
    )
    assert 0 < reads(few, clock) == reads(many, clock)
