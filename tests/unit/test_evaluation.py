"""An evaluation's hits and time, on a clock that the test moves."""

import pytest
import torch

from hpml_lab.errors import MeasurementError
from hpml_lab.measure.epochs import evaluate
from hpml_lab.runs.schema import Evaluation


class Scripted:
    """Predicts class 0 for every sample; a batch takes half a second to load and two to predict."""

    def __init__(self, clock, labels):
        self._clock = clock
        self._labels = labels

    @property
    def evaluation_loader(self):
        for labels in self._labels:
            self._clock.advance(0.5)
            yield torch.zeros(len(labels), 1), torch.tensor(labels)

    def to_device(self, batch):
        return batch

    def predict(self, inputs):
        self._clock.advance(2.0)
        return torch.tensor([[1.0, 0.0]]).expand(len(inputs), 2)


def test_hits_are_counted_over_all_samples(clock):
    """Batches of 3 and 1 with 3 hits in all: 75 %, not the mean of the batches' shares."""
    trainer = Scripted(clock, [[0, 0, 1], [0]])
    assert evaluate(trainer, clock) == Evaluation(samples=4, accuracy=0.75, total_s=5.0)


def test_the_device_is_waited_for_at_both_ends(clock):
    """Once before the first reading of the clock, once before the last."""
    evaluate(Scripted(clock, [[0]]), clock)
    assert clock.log == ["sync", "now", "sync", "now"]


def test_no_batch_is_an_error(clock):
    """Nothing to evaluate has no accuracy."""
    with pytest.raises(MeasurementError, match="the evaluation loader gave no batch"):
        evaluate(Scripted(clock, []), clock)
