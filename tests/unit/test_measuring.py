"""The fixture `measure`, on a benchmark and a clock of our own."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from hpml_lab.errors import InputError, NonFiniteLossError
from hpml_lab.measure import clock as clock_module
from hpml_lab.measure import disturbance
from hpml_lab.measure.counters import network_counters
from hpml_lab.measure.disturbance import Conditions
from hpml_lab.pytest_plugin.measuring import Measure
from hpml_lab.runs.schema import Learning, Row, Sampling
from hpml_lab.training.step import TrainingStep
from hpml_lab.training.trainer import Trainer
from hpml_lab.training.training import Training


class FakeBench:
    """Calls what it is to time, two rounds of one call, and keeps the record."""

    def __init__(self):
        self.timed = []
        self.how = Sampling(iterations=1, warm_up=3, stopped="budget", unstable=["drift: much"])
        self.record = None
        self.discarded = False
        self.is_used = False
        self.budget_s = 1.0

    def time(self, step, clock, asked, check, _waited_s):
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

    def time_exactly(self, step, timer, *, rounds, warm_up, teardown=None, **_asked):
        for index in range(warm_up + rounds):
            began = timer()
            result = step()
            if index >= warm_up:
                self.timed.append(timer() - began)
            if teardown is not None:
                teardown()
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
    measure.timelines["planned"] = [
        Row(phase="forward", layer="conv", live_bytes=[1, 0, 0, 0, 0, 0, 0])
    ]
    measure(int)
    measure.finish()
    (row,) = bench.record["timelines"]["planned"]
    assert row == {"phase": "forward", "layer": "conv", "live_bytes": [1, 0, 0, 0, 0, 0, 0]}


def test_what_an_ensemble_learnt_is_kept_with_its_case(bench):
    """A setting that is no parameter of the test is part of the case once it is named."""
    measure = Measure(bench, {"network": "cnn"})
    measure.case |= {"images": 20}
    measure.learning = Learning(seeds=[3], points=[1.0, 2.0], metrics={"accuracy": [[0.5, 1.0]]})
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


@pytest.mark.integration
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


@pytest.mark.integration
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


def step_of(model=None, **more):
    """Returns a small step, and what of it is other than usual."""
    model = model or nn.Linear(5, 3)
    batch = torch.zeros(8, 5), torch.zeros(8, dtype=torch.long)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return TrainingStep(model, optimizer, nn.functional.cross_entropy, batch, **more)


def measured(bench, step, **asked):
    """Returns the record of one use of the fixture."""
    measure = Measure(bench, {})
    measure(step, **asked)
    measure.check()
    measure.finish()
    return bench.record


def test_a_training_step_says_what_it_is(bench):
    """Samples, tokens, device and precision are its own; its counts stand beside its time."""
    record = measured(bench, step_of(tokens=96, precision="bfloat16"))
    assert (record["samples"], record["tokens"]) == (8, 96)
    named = {name: record["case"].pop(name) for name in ("device", "precision", "dtype", "batch")}
    assert named == {
        "device": "cpu", "precision": "bfloat16", "dtype": "float32",
        "batch": "float32[8,5] int64[8]",
    }  # fmt: skip
    assert set(record["case"]) == {
        "intraop_threads", "interop_threads", "affinity", "wait_policy",
    }  # fmt: skip
    assert record["counters"]["step_flops"] == 2 * (2 * 8 * 5 * 3)
    assert record["memory"]["peak_step_bytes"] > 0
    assert record["flags"] == []


def test_a_parameter_of_the_test_keeps_its_name(bench):
    """A test with a parameter called precision has its own value in the case."""
    measure = Measure(bench, {"precision": "mine"})
    measure(step_of())
    assert (measure.case["device"], measure.case["precision"]) == ("cpu", "mine")


def test_a_function_is_counted_where_it_is_told(bench):
    """Model, optimizer and batch beside a function give what a step knows by itself."""
    step = step_of()
    reported = {"model": step.model, "optimizer": step.optimizer, "batch": step.batch}
    record = measured(bench, lambda: step(), **reported)
    assert record["samples"] == 8
    assert record["counters"]["parameters"] == 18
    assert record["counters"]["sample_bytes"] == 28
    assert record["counters"]["step_flops"] == 2 * (2 * 8 * 5 * 3)


def test_of_a_function_alone_nothing_is_counted(bench):
    """It is called no more often than its rounds need."""
    calls = []
    record = measured(bench, lambda: calls.append(1), samples=8)
    assert (record["counters"], record["memory"], record["flags"]) == ({}, {}, [])
    assert len(calls) == 2


def test_a_count_that_fails_does_not_lose_the_time(bench):
    """A step that can be called twice has its two rounds, and a flag for what is not counted."""
    calls = iter([None, None])
    record = measured(bench, lambda: next(calls), batch=torch.zeros(2))
    assert len(record["processes"][0]) == 2
    assert record["flags"][0] == "step_flops is not counted: StopIteration: "


class OwnLayer(nn.Linear):
    """A layer of the user's; torch 2.11 leaves its own as they are when they compile in place."""

    def forward(self, inputs):
        return super().forward(inputs)


def test_what_compiles_while_it_is_measured_is_counted(bench):
    """One graph of the layer; FLOP are those of the source; operators are not told."""
    torch.compiler.reset()
    step = step_of(OwnLayer(5, 3))
    step.model.compile(backend="eager")
    record = measured(bench, step)
    assert record["counters"]["graphs"] >= 1
    assert record["counters"]["recompiles"] == 0
    assert record["counters"]["step_flops"] == 2 * (2 * 8 * 5 * 3)
    assert record["flags"] == ["step_operators is not counted: the step is compiled"]


def test_a_function_that_was_compiled_before_is_known(bench):
    """No graph is made while it is measured, and its operators are its compiler's all the same."""
    step = step_of()
    compiled = torch.compile(lambda: step.model(step.batch[0]).sum(), backend="eager")
    compiled()
    record = measured(bench, compiled, model=step.model)
    assert "step_operators" not in record["counters"]
    assert record["flags"] == ["step_operators is not counted: the step is compiled"]


def test_a_loss_that_is_no_number_any_more_leaves_no_result(bench):
    """A step whose second loss is NaN is refused when its rounds have ended."""
    values = iter([1.0, *[float("nan")] * 9])
    step = step_of()
    step.loss = lambda out, _: out.sum() * 0 + next(values)
    with pytest.raises(NonFiniteLossError, match="the loss became nan; no result is kept"):
        measured(bench, step)


def test_a_function_that_returns_no_number_is_flagged(bench):
    """It may not be a loss."""
    assert measured(bench, lambda: float("inf"))["flags"] == ["the last call returned inf"]
    bench.timed.clear()
    assert measured(bench, lambda: torch.tensor(float("nan")))["flags"] == [
        "the last call returned nan"
    ]
    assert measured(bench, lambda: torch.zeros(3))["flags"] == []


def test_a_second_use_is_refused_before_it_takes_time(bench):
    """Nothing is called."""
    calls = []
    bench.is_used = True
    with pytest.raises(InputError, match="this test has measured already; write two tests"):
        Measure(bench, {})(lambda: calls.append(1))
    assert calls == []


def test_rounds_asked_for_are_judged_and_counted_too(bench, clock, monkeypatch):
    """Six rounds in rising order are a drift, however they came to be six."""
    monkeypatch.setattr(clock_module, "clock_for", lambda *_: clock)
    durations = iter([1.0, 1.1, 1.2, 1.3, 1.4, 1.5])
    record = measured(bench, lambda: clock.advance(next(durations)), rounds=6)
    (how,) = record["sampling"]
    assert (how["stopped"], how["iterations"], how["warm_up"]) == ("given", 1, 0)
    assert how["unstable"][0] == "drift: the later half of the rounds took 27.3 % more time"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"rounds": 0}, "rounds is 0; it must be a whole number, 1 or more"),
        ({"rounds": 2.5}, "rounds is 2.5; it must be a whole number, 1 or more"),
        ({"warmup_rounds": -1}, "warmup_rounds is -1; it must be a whole number, 0 or more"),
        ({"calls": 0}, "calls is 0; it must be a whole number, 1 or more"),
        ({"setup": 3}, "setup is a int; give a function"),
        ({"setup": int, "calls": 8}, "a setup comes before each call, and calls is 8"),
        ({"setup": lambda: 5}, "setup returned a int; it may return nothing, or a pair"),
        ({"samples": 2.5}, "samples is 2.5; it must be a whole number, 1 or more"),
        ({"tokens": -4}, "tokens is -4; it must be a whole number, 1 or more"),
        ({"model": "resnet"}, "model is a str; give a torch.nn.Module or several"),
        ({"optimizer": "adam"}, "optimizer is a str; give a torch.optim.Optimizer or several"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(bench, asked, said):
    """One line, and nothing is timed."""
    with pytest.raises(InputError, match=said):
        Measure(bench, {})(int, **asked)
    assert bench.timed == []


def test_samples_of_numpy_are_whole_numbers(bench):
    """What NumPy counts is saved as Python's own integer."""
    record = measured(bench, int, samples=np.int64(8), tokens=np.int32(96))
    assert [type(record[name]) for name in ("samples", "tokens")] == [int, int]


def test_an_own_loader_is_run_through(bench, clock, monkeypatch):
    """Four batches of four rows, 10 ms a step: the parts add up, and samples are counted."""
    monkeypatch.setattr(clock_module, "clock_for", lambda *_: clock)
    rows = TensorDataset(torch.zeros(16, 5), torch.zeros(16, dtype=torch.long))
    step = step_of(loader=DataLoader(rows, 4))
    step.loss = lambda outputs, _: clock.advance(0.010) or outputs.sum()
    stalls = measured(bench, step)["stalls"]
    assert (stalls["batches"], stalls["samples"]) == (4, 16)
    assert stalls["total_s"] == stalls["compute_s"] == pytest.approx(0.040)
    assert stalls["wait_s"] == stalls["copy_s"] == stalls["other_s"] == stalls["wait_share"] == 0


def test_a_loader_that_fails_is_a_flag(bench):
    """The time of the step stays."""

    class Broken(TensorDataset):
        def __getitem__(self, index):
            raise OSError("the disk is gone")

    rows = Broken(torch.zeros(16, 5), torch.zeros(16, dtype=torch.long))
    record = measured(bench, step_of(loader=DataLoader(rows, 4)))
    assert record["flags"] == ["the loader is not measured: OSError: the disk is gone"]
    assert len(record["processes"][0]) == 2
