"""Stalls measured by leaving loading out, on a clock that the test moves."""

import pytest
import torch

from hpml_lab.errors import InputError
from hpml_lab.labs.stalls.measured import Ready, ready_epochs_s, stall_record


class Trainer:
    """Loads in 1 s, copies in 0.25 s and steps in 2 s; notes what it is asked for."""

    def __init__(self, clock):
        self._clock = clock
        self.log = []

    @property
    def loader(self):
        for size in (3, 3, 2):
            self._clock.advance(1.0)
            self.log.append("load")
            yield torch.zeros(size, 1), torch.zeros(size, dtype=torch.long)

    def to_device(self, batch):
        self._clock.advance(0.25)
        self.log.append("copy")
        return batch

    def step(self, batch):
        self._clock.advance(2.0)
        self.log.append("step")
        return torch.tensor(1.0), torch.zeros(len(batch[1]), 2)


def test_an_epoch_of_batches_that_are_there_only_steps(clock):
    """Three batches, the smaller last one too, are loaded and copied once; epochs take 6 s each."""
    trainer = Trainer(clock)
    ready = Ready(trainer)
    assert trainer.log == ["load", "copy"] * 3
    trainer.log.clear()
    assert ready_epochs_s(ready, clock, 2) == [6.0, 6.0]
    assert trainer.log == ["step"] * 6
    assert [len(labels) for _, labels in ready.loader] == [3, 3, 2]


def test_the_device_is_waited_for_at_both_ends_alone(clock):
    """Nothing is synchronised between steps, as in the epochs it is compared with."""
    ready = Ready(Trainer(clock))
    ready_epochs_s(ready, clock, 1)
    assert clock.synchronised == 2


def test_a_record_has_the_cold_epoch_only_if_there_was_one():
    """Names and literal differences."""
    warm = stall_record(2.0, 2.5)
    assert warm == {
        "ready_s": 2.0, "cached_s": 2.5, "prep_stall_s": 0.5, "accelerator_utilisation": 0.8,
    }  # fmt: skip
    assert stall_record(2.0, 2.5, 4.0) == warm | {"cold_s": 4.0, "fetch_stall_s": 1.5}


def test_a_time_that_is_none_is_refused():
    """An epoch of no time has no stalls."""
    with pytest.raises(InputError, match="ready_s is 0; it must be finite and above 0"):
        stall_record(0, 1)
