"""The question of more ranks: its table, its line of the summary, and where it can be measured."""

import os

import pytest

from hpml_lab.labs.scaling.table import answers
from hpml_lab.runs.schema import Measurement
from support.runs import recorded, run_of


def case(ranks, gradients, seconds, processes=3):
    """Returns a recorded case; each process has one round."""
    return recorded(
        Measurement(
            case={"ranks": ranks, "gradients": gradients, "device": "cpu", "width": 8},
            samples=1,
            processes=[[seconds]] * processes,
            memory={"peak_bytes": 2**20},
        ),
        group="scaling",
        name=f"test_step[{ranks}-{gradients}]",
    )


def test_efficiency_is_the_fewest_ranks_over_these():
    """1 s alone, 1.25 s in two ranks, 1 s without the exchange: 80 %, 250 ms."""
    run = run_of(
        case(1, "exchanged", 1.0), case(1, "kept", 1.0),
        case(2, "exchanged", 1.25), case(2, "kept", 1.0),
    )  # fmt: skip
    (answer,) = answers(run)
    assert answer.rows == [
        ["1", "1.00 s", "100.0 %", "0.00 ns", "1.00 MiB"],
        ["2", "1.25 s", "80.0 %", "250 ms", "1.00 MiB"],
    ]
    assert answer.brief.text == "2 ranks: 80.0 % efficient"
    assert answer.brief.is_sure


def test_one_process_is_not_sure():
    """It says nothing of the next launch."""
    run = run_of(*(case(n, g, 1.0, 1) for n in (1, 2) for g in ("exchanged", "kept")))
    assert answers(run)[0].brief.settle == "3 processes"


def test_half_a_pair_is_no_row():
    """A case whose other half failed; and one number of ranks is compared with nothing."""
    run = run_of(case(1, "exchanged", 1.0), case(1, "kept", 1.0), case(2, "kept", 1.0))
    (answer,) = answers(run)
    assert [row[0] for row in answer.rows] == ["1"]
    assert answer.brief.text == "only 1 ranks were measured"
    assert answers(run_of(case(2, "kept", 1.0))) == []


MARKED = """
    import pytest

    @pytest.mark.world({ranks})
    def test_it():
        pass
"""


@pytest.mark.parametrize("more", [0, 1])
def test_more_ranks_than_processors_are_skipped(lab_in_one_process, more):
    """The marker says how many there must be."""
    processors = os.cpu_count() or 1
    lab_in_one_process.makepyfile(MARKED.format(ranks=processors + more))
    result = lab_in_one_process.runpytest_inprocess("-rs")
    result.assert_outcomes(passed=1 - more, skipped=more)
    if more:
        message = f"*needs {processors + 1} processors, and this machine has {processors}*"
        result.stdout.fnmatch_lines([message])
