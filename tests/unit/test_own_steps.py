"""The table of a user's own steps, from saved runs made up so that it is known."""

from hpml_lab.report import own_steps
from hpml_lab.report.answers import answers, tables_of
from hpml_lab.runs.schema import Measurement
from support.runs import CEILINGS, benchmark, recorded, run_of

CASE = {"device": "cpu", "precision": "float32"}
COUNTERS = {"step_flops": 10_000, "step_moved_bytes": 2_000, "optimizer_state_bytes": 2**20}


def own(case=CASE, samples=10, tokens=40, counters=COUNTERS, memory=None, stalls=None):
    """Returns a step of 0.2 s."""
    record = Measurement(
        case=case,
        samples=samples,
        processes=[[0.2]],
        counters=counters,
        memory=memory or {},
        stalls=stalls or {},
        tokens=tokens,
    )
    return recorded(record, name="test_mine", fullname="f::test_mine")


def test_everything_that_is_known_of_a_step_is_shown():
    """10 samples, 40 tokens and 10,000 FLOP in 0.2 s; 5 FLOP a byte allow 100,000 FLOP/s."""
    step = own(memory={"peak_step_bytes": 2**21}, stalls={"wait_share": 0.25})
    (result,) = own_steps.answers(run_of(step, ceilings=CEILINGS))
    assert result.columns == [
        "step", "time", "samples/s", "tokens/s", "FLOP/s", "share of roof", "peak", "state",
        "waits",
    ]  # fmt: skip
    assert result.rows == [
        ["test_mine", "200 ms", "50 /s", "200 /s", "50,000 FLOP/s", "50.0 %", "2.00 MiB",
         "1.00 MiB", "25.0 %"]
    ]  # fmt: skip
    assert len(result.sentences) == 4


def test_columns_that_nothing_is_known_for_are_left_out():
    """A function with samples alone has its time and its rate."""
    (result,) = own_steps.answers(run_of(own({}, tokens=None, counters={})))
    assert result.columns == ["step", "time", "samples/s"]
    assert result.sentences == []


def test_what_is_not_known_of_one_step_is_a_dash():
    """Beside a step with tokens, one without."""
    (result,) = own_steps.answers(run_of(own(), own({}, None, None, {}), ceilings=CEILINGS))
    assert result.rows[1] == ["test_mine", "200 ms", "-", "-", "-", "-", "-"]


def test_a_ceiling_that_is_not_known_gives_no_share():
    """No column of shares where no roof is known."""
    (result,) = own_steps.answers(run_of(own(), ceilings={}))
    assert "share of roof" not in result.columns


def test_the_lab_s_cases_are_not_among_them():
    """They name their network, and have answers of their own; a time alone is no step."""
    lab = run_of(benchmark("batch_size", seconds=[0.01], samples=10))
    assert own_steps.answers(lab) == []
    assert own_steps.answers(run_of(own({}, None, None, {}))) == []
    assert answers(run_of(own()))[0].title == "Your steps"


def test_a_test_of_the_run_is_an_item():
    """By its name, without parameters: the table of the user's steps."""
    run = run_of(own(), ceilings=CEILINGS)
    assert tables_of(run, "test_mine") == own_steps.answers(run)
