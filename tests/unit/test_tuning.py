"""What tuning comes to: its sentence, its saved run, and the command."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hpml_lab.labs.tune.figure import waterfall
from hpml_lab.labs.tune.table import answers, tunings
from hpml_lab.measure.fingerprint import state
from hpml_lab.report.tuning import headline, render
from hpml_lab.runs.reading import read_run
from hpml_lab.runs.schema import Measurement
from hpml_lab.tuning.race import PLAIN, Race
from hpml_lab.tuning.result import Failed, Measured, NotTried, Tuned
from hpml_lab.tuning.saved import run_of as tuning_saved
from hpml_lab.tuning.tune import _not_reached
from support.runs import recorded, run_of

NAME = f"{Path(__file__).parents[1] / 'support/workloads/tuned.py'}:small"


ALONE = [
    Measured("precision", "bfloat16", 2.0, (1.9, 2.1), changes_numbers=True),
    Measured("threads", 1, 0.5, None, changes_numbers=False),
]


def tuned(**changes):
    """Returns a result."""
    plain, best = frozenset(), frozenset({("precision", "bfloat16")})
    values = {
        "workload": "t.py:make", "best": {"precision": "bfloat16"}, "speedup": 2.0,
        "interval": (1.9, 2.1), "likely": {"threads": 1}, "alone": ALONE,
        "without": ALONE[:1], "not_tried": [],
        "failed": [Failed("fault", "loss", "loss", "4 in place of 2")], "spent_s": 60.0,
        "disturbed": False, "settled": True, "interrupted": False, "plain_s": 0.001,
        "start_s": 0.0, "trials": 9, "logs": {plain: [0.0, 0.0], best: [-0.7, -0.7]},
    }  # fmt: skip
    return Tuned(**(values | changes))


def test_the_result_is_one_sentence():
    """A winner with its interval, none, or a machine that tells nothing."""
    assert headline(tuned()) == (
        "2.00x (1.90 to 2.10) as fast: precision=bfloat16; nothing else helps by 2 % or more."
    )
    assert headline(tuned(best={}, speedup=1.0)).startswith("The plain loop is the fastest that is")
    assert headline(tuned(disturbed=True)).startswith("Cannot tell: others kept")


def test_text_holds_the_code_to_write_and_what_failed():
    """The snippet of each setting, the tables, the rows of what failed."""
    text = render(tuned())
    assert "    with torch.autocast(device, torch.bfloat16):" in text
    assert "fault=loss: loss: 4 in place of 2" in text
    assert "Likely to help too, but not proven: threads=1; a larger --budget would tell." in text
    assert "Changes numbers: precision; the first losses are alike." in text
    assert max(map(len, text.splitlines())) <= 100


def tuning_run(*trials):
    """Returns a run of a tuning with times of trials by settings."""
    return run_of(
        *(
            recorded(
                Measurement(
                    case={"tuned": "t.py:make", "best": best} | settings,
                    samples=1,
                    processes=[[second] for second in seconds],
                ),
                group="tune",
                name=str(settings),
            )
            for settings, best, seconds in trials
        )
    )


def test_a_saved_tuning_is_answered_and_drawn():
    """Times as fast over the plain loop; the waterfall goes from it to the recipe."""
    run = tuning_run(
        ({}, False, [1.0, 1.0]),
        ({"precision": "bfloat16"}, False, [0.5]),
        ({"precision": "bfloat16", "threads": 1}, True, [0.25, 0.25]),
        ({"threads": 1}, False, [0.8]),
    )
    (answer,) = answers(run)
    assert answer.brief.text == "4.00x as fast: precision=bfloat16, threads=1"
    assert [row[2] for row in answer.rows] == ["1.00x", "2.00x", "1.25x", "4.00x"]
    (cases,) = tunings(run).values()
    assert waterfall(cases) == [
        ("plain loop", 1.0), ("threads=1 alone", 1.25), ("precision=bfloat16 alone", 2.0),
        ("recipe", 4.0),
    ]  # fmt: skip


def test_a_disturbed_tuning_names_no_setting_when_it_is_read_again():
    """What would settle it is a quiet machine, not more time."""
    run = tuning_run(
        ({"disturbed": True}, True, [1.0, 1.0]),
        ({"disturbed": True, "threads": 1}, False, [0.1]),
    )
    (answer,) = answers(run)
    assert answer.sentences == [
        "Cannot tell: others kept the processors busy; tune again on a quiet machine."
    ]
    assert answer.brief.settle == "a quiet machine"


def test_a_saved_tuning_says_whether_it_was_disturbed():
    """In each of its cases; one that was not says nothing."""
    for disturbed in (True, False):
        run = tuning_saved(tuned(disturbed=disturbed), state())
        cases = [b["extra_info"]["hpml"]["case"] for b in run["benchmarks"]]
        assert [case.get("disturbed", False) for case in cases] == [disturbed, disturbed]


def test_values_that_time_did_not_suffice_for_are_named():
    """One that was measured, alone or in a configuration that failed, is not among them."""
    race = Race(
        {"threads": [1, 2], "precision": ["bfloat16"], "workers": [4]},
        lambda _config: 1.0,
        logs={PLAIN: [0.0], frozenset({("threads", 1), ("workers", 4)}): [0.0]},
        failed={frozenset({("precision", "bfloat16")})},
    )
    assert list(_not_reached(race)) == [NotTried("threads", 2, "no time was left")]


@pytest.mark.integration
def test_ctrl_c_prints_what_is_known(tmp_path):
    """In the middle of the race; the exit status is that of a result, and no trial is left."""
    command = [sys.executable, "-m", "hpml_lab.cli", "tune", NAME, "--budget", "600", "--json"]
    keep = ["--keep", "compile_mode", "--storage", str(tmp_path)]
    with subprocess.Popen(
        [*command, *keep], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as tuning:
        trials = (line for line in tuning.stderr if " s of 600 " in line)
        for _, _ in zip(range(4), trials, strict=False):
            pass
        tuning.send_signal(signal.SIGINT)
        out, errors = tuning.communicate(timeout=120)
    record = json.loads(out)
    assert record["interrupted"]
    assert record["trials"] >= 3
    assert record["spent_s"] < 600
    assert "Traceback" not in errors


@pytest.mark.slow
def test_the_command_keeps_its_contract(run, tmp_path):
    """Keys of the JSON, faults as rows, the loss guard, and a run that can be read and answered."""
    status, out, _ = run(
        "tune", NAME, "--budget", "60", "--vary", "fault=crash,raise,loss",
        "--keep", "compile_mode", "--keep", "batch_size", "--storage", str(tmp_path), "--json",
    )  # fmt: skip
    record = json.loads(out)
    assert status == 0
    assert {
        "best", "speedup", "interval", "alone", "without", "not_tried", "failed", "spent_s",
        "disturbed",
    } <= record.keys()  # fmt: skip
    kinds = {(one["setting"], one["value"]): one["kind"] for one in record["failed"]}
    assert kinds["fault", "crash"] == "crashed"
    assert kinds["fault", "raise"] == "failed"
    assert kinds["fault", "loss"] == "loss"
    assert {one["setting"] for one in record["not_tried"]} >= {"compile_mode", "batch_size"}
    (file,) = tmp_path.rglob("0001_tune.json")
    assert answers(read_run(file))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--budget", "0"],
            "budget 0 is no time; give seconds above 0, at most a week",
        ),
        (["--budget", "inf"], "budget inf is no time"),
        (["--save", "a/b"], "a run cannot be saved as 'a/b'; give a name without '/'"),
        (["--steps", "0"], "--steps 0 is no training; give 1 or more"),
        (["--vary", "width"], "--vary 'width' is not NAME=VALUE"),
        (["--set", "depth=2"], "small has no setting 'depth'"),
        (["--device", "cuda"], "small has no setting 'device'"),
    ],
)
def test_bad_input_is_one_line(run, arguments, message):
    """Before anything is measured."""
    status, out, errors = run("tune", NAME, *arguments)
    assert (status, out, len(errors)) == (2, "", 1)
    assert message in errors[0]


@pytest.mark.integration
def test_a_plain_loop_that_does_not_run_is_one_line(run):
    """There is nothing to compare with."""
    status, out, errors = run("tune", NAME, "--set", "fault=raise", "--budget", "10")
    assert (status, out) == (2, "")
    assert errors[-1].startswith(f"hpml-lab: the plain loop of {NAME} does not run: ")
