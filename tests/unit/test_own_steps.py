"""The table of a user's own steps, from saved runs made up so that it is known."""

from made_up_runs import benchmark as lab_benchmark
from made_up_runs import run_of as lab_run_of
from test_roofline_answers import CEILINGS, run_of

from hpml_lab.history.run import Benchmark, ExtraInfo, Stats
from hpml_lab.measure.record import Measurement
from hpml_lab.report.answers import answers, own_steps

CASE = {"device": "cpu", "precision": "float32"}
COUNTERS = {"step_flops": 10_000, "step_moved_bytes": 2_000, "optimizer_state_bytes": 2**20}


def own(case=CASE, samples=10, tokens=40, counters=COUNTERS, memory=None, stalls=None):
    """Returns a step of 0.2 s."""
    record = Measurement(
        case, samples, [[0.2]], counters, memory or {}, stalls or {}, tokens=tokens
    )
    return Benchmark("test_mine", "f::test_mine", Stats(1, 1, 1, 0, 1, 1), None, ExtraInfo(record))


def test_everything_that_is_known_of_a_step_is_shown():
    """10 samples, 40 tokens and 10,000 FLOP in 0.2 s; 5 FLOP a byte allow 100,000 FLOP/s."""
    step = own(memory={"peak_step_bytes": 2**21}, stalls={"wait_share": 0.25})
    (found,) = own_steps.answers(run_of(step, ceilings=CEILINGS))
    assert found.columns == [
        "step", "time", "samples/s", "tokens/s", "FLOP/s", "share of roof", "peak", "state",
        "waits",
    ]  # fmt: skip
    assert found.rows == [
        ["test_mine", "200 ms", "50 /s", "200 /s", "50,000 FLOP/s", "50.0 %", "2.00 MiB",
         "1.00 MiB", "25.0 %"]
    ]  # fmt: skip
    assert len(found.sentences) == 4


def test_columns_that_nothing_is_known_for_are_left_out():
    """A function with samples alone has its time and its rate."""
    (found,) = own_steps.answers(run_of(own({}, tokens=None, counters={})))
    assert found.columns == ["step", "time", "samples/s"]
    assert found.sentences == []


def test_what_is_not_known_of_one_step_is_a_dash():
    """Beside a step with tokens, one without."""
    (found,) = own_steps.answers(run_of(own(), own({}, None, None, {})))
    assert found.rows[1] == ["test_mine", "200 ms", "-", "-", "-", "-", "-"]


def test_a_ceiling_that_is_not_known_gives_no_share():
    """No column of shares where no roof is known."""
    (found,) = own_steps.answers(run_of(own(), ceilings={}))
    assert "share of roof" not in found.columns


def test_the_lab_s_cases_are_not_among_them():
    """They name their network, and have answers of their own; a time alone is no step."""
    lab = lab_run_of(lab_benchmark("batch_size", seconds=[0.01], samples=10))
    assert own_steps.answers(lab) == []
    assert own_steps.answers(run_of(own({}, None, None, {}))) == []
    assert answers(run_of(own()))[0].title == "Your steps"
