"""The fixture `measure`, on a benchmark and a clock of our own."""

import pytest

from hpml_lab.measure import clock as clock_module
from hpml_lab.measure import disturbance
from hpml_lab.measure.counters import network_counters
from hpml_lab.measure.disturbance import Conditions
from hpml_lab.measure.record import Learning, Row, Sampling
from hpml_lab.pytest_plugin.measuring import Measure
from hpml_lab.workloads.trainer import Trainer
from hpml_lab.workloads.training import Training


class FakeBench:
    """Calls what it is to time, two rounds of one call, and keeps the record."""

    def __init__(self):
        self.timed = []
        self.how = Sampling(iterations=1, warm_up=3, stopped="budget", unstable=["drift: much"])
        self.record = None
        self.discarded = False
        self.is_used = False
        self.budget_s = 1.0

    def time(self, step, clock, asked, check):
        self.asked = asked
        step = asked.prepared(step)
        for _ in range(2):
            clock.synchronise()
            began = clock.now_s()
            result = step()
            clock.synchronise()
            self.timed.append(clock.now_s() - began)
        check(result)
        return result, self.how

    def time_exactly(self, step, timer, *, rounds, warm_up, calls=1, setup=None, behind=None):
        for index in range(warm_up + rounds):
            began = timer()
            result = step()
            if index >= warm_up:
                self.timed.append(timer() - began)
            if behind is not None:
                behind()
        return result

    def rounds_s(self):
        return self.timed

    def describe(self, record):
        self.record = record

    def discard(self):
        self.discarded = True


@pytest.fixture
def bench():
    """A benchmark that keeps what it was given."""
    return FakeBench()


def test_a_round_waits_for_the_device_at_both_ends(bench, clock, monkeypatch):
    """The device is waited for before each reading of the clock and never inside a step."""
    monkeypatch.setattr(clock_module, "clock_for", lambda *_: clock)

    def step():
        clock.log.append("step")
        clock.advance(0.5)
        return "last"

    measure = Measure(bench, {"n": 1, "model": object()})
    assert measure(step, samples=32) == "last"
    measure.finish()
    assert clock.log == ["sync", "now", "step", "sync", "now"] * 2
    assert bench.record["processes"] == [[0.5, 0.5]]
    assert (bench.record["samples"], bench.record["case"]) == (32, {"n": 1})


def test_how_the_rounds_were_taken_is_kept_with_what_the_machine_did(bench, monkeypatch):
    """What the rounds show, then what happened meanwhile: here half of a second of waiting."""
    moments = iter([Conditions(1.0, 0.0), Conditions(2.0, 0.5)])
    monkeypatch.setattr(disturbance, "conditions", lambda: next(moments))
    measure = Measure(bench, {})
    measure(int)
    measure.finish()
    (how,) = bench.record["sampling"]
    assert (how["iterations"], how["warm_up"], how["stopped"]) == (1, 3, "budget")
    waiting = "load by others: 50.0 % of the time was spent waiting for a processor"
    assert how["unstable"] == ["drift: much", waiting]


def test_where_nothing_is_measured_nothing_was_sampled(bench):
    """With --benchmark-disable a step is called and no sampling is kept."""
    bench.how = None
    measure = Measure(bench, {})
    assert measure(lambda: 7) == 7
    measure.finish()
    assert bench.record["sampling"] == []


def test_samples_can_be_given(bench):
    """A plain function does not know its samples; the caller does, or there are none."""
    Measure(bench, {})(int)
    measure = Measure(bench, {})
    measure(int, samples=5)
    measure.finish()
    assert bench.record["samples"] == 5


def test_a_number_of_rounds_can_be_given(bench):
    """A step too long to repeat is called as often as asked for, without a warm-up."""
    calls = []
    measure = Measure(bench, {})
    measure(lambda: calls.append(1), rounds=3)
    assert (len(calls), len(bench.timed)) == (3, 3)


def test_timelines_are_kept_by_name(bench):
    """Rows are saved as they are."""
    measure = Measure(bench, {})
    measure.timelines["planned"] = [Row("forward", "conv", [1, 0, 0, 0, 0, 0, 0])]
    measure(int)
    measure.finish()
    (row,) = bench.record["timelines"]["planned"]
    assert row == {"phase": "forward", "layer": "conv", "live_bytes": [1, 0, 0, 0, 0, 0, 0]}


def test_what_an_ensemble_learnt_is_kept_with_its_case(bench):
    """A setting that is no parameter of the test is part of the case once it is named."""
    measure = Measure(bench, {"network": "cnn"})
    measure.case |= {"images": 20}
    measure.learning = Learning([3], [1.0, 2.0], {"accuracy": [[0.5, 1.0]]})
    measure(int)
    measure.finish()
    assert bench.record["case"] == {"network": "cnn", "images": 20}
    assert bench.record["learning"] == {
        "seeds": [3], "points": [1.0, 2.0], "metrics": {"accuracy": [[0.5, 1.0]]}, "matrices": {},
    }  # fmt: skip


def test_epochs_are_kept_with_the_warm_up_marked(bench, images):
    """One warm-up and two rounds: three epochs, two times, and the training as the case."""
    training = Training(width=2, images=16, batch_size=8, workers=0, data="generated")
    measure = Measure(bench, {"training": training})
    epochs = measure.epochs(Trainer(training, images), rounds=2, timing="throughput")
    measure.counters["graphs"] = 3
    measure.finish()
    assert [(epoch.index, epoch.warm_up) for epoch in epochs] == [(1, True), (2, False), (3, False)]
    record = bench.record
    assert (record["samples"], len(record["processes"][0]), len(record["epochs"])) == (16, 2, 3)
    assert record["case"]["batch_size"] == 8
    assert (record["case"]["source"], record["case"]["timing"]) == ("generated", "throughput")
    assert record["counters"]["graphs"] == 3


def test_a_step_of_the_training_is_counted_behind_its_epochs(bench, images):
    """A sample is 3 x 32 x 32 float32 pixels and an int64 label; plain SGD keeps no state."""
    training = Training(width=2, images=16, batch_size=8, workers=0, optimizer="sgd")
    measure, trainer = Measure(bench, {}), Trainer(training, images)
    measure.epochs(trainer, rounds=1)
    assert measure.counters["sample_bytes"] == 3 * 32 * 32 * 4 + 8
    assert measure.counters["optimizer_state_bytes"] == 0
    of_a_sample = network_counters(trainer.model)["flops_per_sample"]
    assert measure.counters["step_flops"] == 8 * of_a_sample


def test_nothing_is_counted_where_nothing_is_measured(bench, images):
    """With --benchmark-disable the epochs run, and no step behind them."""
    bench.rounds_s = list
    measure = Measure(bench, {})
    measure.epochs(Trainer(Training(width=2, images=16, batch_size=8, workers=0), images), rounds=1)
    assert measure.counters == {}


def test_an_evaluation_is_kept_apart_from_its_epoch(bench, images):
    """Every epoch has its own evaluation on all images, and none where none was asked for."""
    training = Training(width=2, images=16, batch_size=8, workers=0)
    trainer = Trainer(training, images)
    evaluated = Measure(bench, {}).epochs(trainer, rounds=2, warm_up=0, evaluated=True)
    assert [epoch.evaluation.samples for epoch in evaluated] == [16, 16]
    assert [epoch.index for epoch in evaluated] == [1, 2]
    (plain,) = Measure(bench, {}).epochs(trainer, rounds=1, warm_up=0)
    assert plain.evaluation is None


def test_a_folder_s_name_is_not_part_of_the_case(bench, images, tmp_path):
    """Two machines that keep CIFAR-10 in different places run the same case."""
    training = Training(width=2, images=16, batch_size=8, workers=0, data=str(tmp_path))
    measure = Measure(bench, {})
    measure.describe(Trainer(training, images))
    measure.finish()
    assert str(tmp_path) not in str(bench.record)


def test_a_failed_test_s_result_is_given_up(bench):
    """Discarding reaches the benchmark."""
    Measure(bench, {}).discard()
    assert bench.discarded
