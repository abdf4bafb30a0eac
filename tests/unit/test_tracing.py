"""Traces by torch's profiler: files that its readers open, and what a saved run keeps of them."""

import json
from pathlib import Path

import pytest
import torch

from hpml_lab import TrainingStep
from hpml_lab.measure import tracing
from hpml_lab.measure.clock import HostClock
from hpml_lab.measure.tracing import record_trace, trace_file
from hpml_lab.pytest_plugin.measuring import Measure
from hpml_lab.report import traces
from hpml_lab.runs.reading import read_run


def linear_step():
    """Returns a step whose operators are known: two products forward and back."""
    model = torch.nn.Linear(64, 8)
    batch = torch.randn(32, 64), torch.randint(0, 8, (32,))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return TrainingStep(model, optimizer, torch.nn.functional.cross_entropy, batch)


def test_a_trace_is_what_its_readers_open(tmp_path):
    """Chrome's format: complete events with begin and length, of operators with their shapes."""
    trace = record_trace(linear_step(), HostClock(), tmp_path / "made" / "a.pt.trace.json")
    content = json.loads((tmp_path / "made" / trace.file).read_text())
    operators = [event for event in content["traceEvents"] if event.get("cat") == "cpu_op"]
    assert all(event["ph"] == "X" and event["dur"] >= 0 for event in operators)
    (first, *_others) = [event for event in operators if event["name"] == "aten::addmm"]
    assert first["args"]["Input Dims"][:3] == [[8], [32, 64], [64, 8]]
    # Three steps are recorded, the one before them is not.
    assert sum(event["name"] == "aten::addmm" for event in operators) == 3


def test_the_heaviest_operators_are_kept_in_order(tmp_path):
    """Ten at most, by their own time on the host; a product is called once in a step."""
    trace = record_trace(linear_step(), HostClock(), tmp_path / "a.json")
    times = [operator.host_s for operator in trace.operators]
    assert len(times) == 10
    assert times == sorted(times, reverse=True)
    assert {operator.calls for operator in trace.operators if operator.name == "aten::addmm"} <= {1}
    assert 0 <= trace.idle_share < 1
    assert sum(times) <= trace.step_s


def test_files_are_told_apart_by_a_digest():
    """Names that read the same are different files, and end as TensorBoard wants it."""
    one, other = (trace_file(Path(), name) for name in ("t.py::test_a[x/y]", "t.py::test_a[x:y]"))
    assert one != other
    assert one.name.endswith(".pt.trace.json")
    assert "/" not in str(one)


TEST = """
    import torch
    from hpml_lab import TrainingStep

    def test_step(measure):
        model = torch.nn.Linear(8, 2)
        batch = torch.randn(4, 8), torch.randint(0, 2, (4,))
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        calls = []
        step = TrainingStep(model, optimizer, torch.nn.functional.cross_entropy, batch)
        measure(step, rounds=2)
"""


@pytest.mark.integration
def test_a_run_keeps_the_trace_of_its_first_process(project):
    """One file for a case of two processes; the report shows its operators."""
    project.makepyfile(TEST)
    options = ["--hpml-trace=traces", "--hpml-processes=2", "--benchmark-save=x"]
    project.runpytest_subprocess(*options).assert_outcomes(passed=1)
    (file,) = (project.path / "traces").iterdir()
    run = read_run(next(project.path.glob(".benchmarks/*/*.json")))
    (answer,) = traces.answers(run)
    assert answer.title == "Heaviest operators"
    assert file.name in answer.setting
    assert len(answer.rows) == 10


@pytest.mark.integration
def test_a_trace_that_cannot_be_written_loses_no_time(project):
    """A flag says why; the rounds are there."""
    project.makepyfile(TEST)
    (project.path / "traces").write_text("a file")
    options = ["--hpml-trace=traces", "--hpml-processes=1", "--benchmark-save=x"]
    project.runpytest_subprocess(*options).assert_outcomes(passed=1)
    (benchmark,) = read_run(next(project.path.glob(".benchmarks/*/*.json"))).benchmarks
    (flag,) = benchmark.measurement.flags
    assert flag.startswith("no trace is recorded: FileExistsError")
    assert len(benchmark.measurement.processes[0]) == 2


class OrderedBench:
    """A benchmark that notes when its rounds are taken."""

    is_used = False
    budget_s = 1.0

    def __init__(self, order):
        self._order = order

    def time_exactly(self, step, *_args, **_how):
        """Takes the rounds."""
        step()
        self._order.append("rounds")

    def rounds_s(self):
        """Seconds of two rounds."""
        return [1.0, 1.0]


def test_nothing_is_traced_within_timed_rounds(monkeypatch, tmp_path):
    """The rounds have ended when the trace begins."""
    order = []
    monkeypatch.setattr(tracing, "record_trace", lambda *_: order.append("trace"))
    Measure(OrderedBench(order), {}, tmp_path / "a.json")(lambda: None, rounds=2)
    assert order == ["rounds", "trace"]
