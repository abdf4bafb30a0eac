"""Tuning of a declared training: what is tried, how it is applied, and what may go wrong."""

import itertools
import json
import math
import multiprocessing
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from hpml_lab.labs.tune.figure import waterfall
from hpml_lab.labs.tune.table import answers, tunings
from hpml_lab.measure.fingerprint import state
from hpml_lab.report.tuning import headline, render
from hpml_lab.runs.reading import read_run
from hpml_lab.runs.schema import Measurement
from hpml_lab.tuning import beside, trial
from hpml_lab.tuning.apply import LoadedSteps, applied, reloaded
from hpml_lab.tuning.beside import Trials
from hpml_lab.tuning.process import Served, TrialError, in_process
from hpml_lab.tuning.race import PLAIN, Race
from hpml_lab.tuning.result import Failed, Measured, NotTried, Tuned
from hpml_lab.tuning.saved import run_of as tuning_saved
from hpml_lab.tuning.settings import Facts, go_together, space
from hpml_lab.tuning.trial import _loaded, facts, serve
from hpml_lab.tuning.tune import _not_reached
from support.runs import recorded, run_of
from support.workloads.tuned import small

NAME = f"{Path(__file__).parents[1] / 'support/workloads/tuned.py'}:small"
FACTS = Facts(
    device="cpu", threads=4, bfloat16=True, convolutions=True, optimizers=["foreach", "fused"],
    optimizer_share=0.2, loader=True, workers=0, context="spawn", wait_share=0.3,
    batch_size=8, too_large=[], compiles="",
)  # fmt: skip


def changed(**changes):
    """Returns the facts with some of them changed."""
    return Facts(**(vars(FACTS) | changes))


def reasons(**changes):
    """Returns the reasons why settings are not tried, by name."""
    return {
        one.setting: one.reason for one in space(small, changed(**changes), {}, [], {}).not_tried
    }


def test_all_settings_are_tried_where_they_may_win():
    """On a CPU pinned memory alone cannot."""
    assert reasons() == {"pin_memory": "no accelerator to copy to"}


@pytest.mark.parametrize(
    ("changes", "name", "reason"),
    [
        ({"convolutions": False}, "memory_format", "no convolution of images"),
        ({"bfloat16": False}, "precision", "this processor has no arithmetic in bfloat16"),
        ({"optimizer_share": 0.01}, "optimizer_implementation", "the optimizer takes 1.0% of"),
        ({"context": "fork"}, "multiprocessing_context", "fork already starts workers fastest"),
        ({"wait_share": 0.01}, "workers", "the training waits for 1.0% of the time"),
        ({"too_large": [32]}, "batch_size", "the memory plan says that it does not fit"),
        ({"compiles": "no g++"}, "compile_mode", "no g++"),
        ({"device": "cuda"}, "threads", "operators run on the GPU"),
    ],
)
def test_what_cannot_win_is_not_tried(changes, name, reason):
    """By theory, and the table says why."""
    assert reasons(**changes)[name].startswith(reason)


def test_settings_can_be_kept_and_varied():
    """A kept one is a row too; values of a parameter are read by its default's type."""
    result = space(small, FACTS, {"width": ["8", "16"]}, ["precision"], {})
    assert ("precision", "kept as asked") in {(n.setting, n.reason) for n in result.not_tried}
    assert result.setting("width").values == [8, 16]
    assert result.setting("width").changes_numbers


def test_a_value_that_the_plain_loop_has_is_not_tried_again():
    """By its default, or as it is set."""
    for parameters, others in (({}, [8]), ({"width": 8}, [4])):
        result = space(small, FACTS, {"width": ["4", "8"]}, [], parameters)
        assert result.setting("width").values == others


@pytest.mark.parametrize(
    ("vary", "keep", "message"),
    [
        ({"depth": ["1"]}, [], "small has no setting 'depth'"),
        ({"width": ["x"]}, [], "width 'x' is not a whole number"),
        ({}, ["colour"], "unknown setting to keep 'colour'; choose one of: threads"),
    ],
)
def test_unknown_settings_are_refused(vary, keep, message):
    """With what is allowed."""
    with pytest.raises(ValueError, match=message):
        space(small, FACTS, vary, keep, {})


def test_loader_settings_need_workers():
    """With none in the loader or among the settings they do nothing."""
    persistent = frozenset({("persistent_workers", True)})
    assert not go_together(persistent, 0)
    assert go_together(persistent, 2)
    assert go_together(persistent | {("workers", 1)}, 0)
    assert not go_together(persistent | {("workers", 0)}, 2)


def test_each_setting_is_applied():
    """Layout to the weights, implementation to the optimizer, precision to the step."""
    step = applied(
        small,
        {"width": 4},
        {
            "memory_format": "channels_last",
            "optimizer_implementation": "fused",
            "precision": "bfloat16",
            "batch_size": 4,
        },
    )
    assert step.model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert step.optimizer.param_groups[0]["fused"] is True
    assert step.optimizer.param_groups[0]["foreach"] is False
    assert (step.precision, step.samples) == ("bfloat16", 4)
    assert math.isfinite(step())


def test_a_loader_is_made_again_with_the_same_batches():
    """Workers and what belongs to them change, batches do not."""
    step = small(loader=True)
    again = reloaded(step.loader, {"workers": 1, "persistent_workers": True, "prefetch_factor": 4})
    assert isinstance(again, DataLoader)
    assert (again.num_workers, again.persistent_workers, again.prefetch_factor) == (1, True, 4)
    for before, after in zip(step.loader, again, strict=True):
        assert torch.equal(before[0], after[0])


def test_steps_on_a_loader_count_their_samples():
    """Eight batches of eight an epoch; the ninth step begins the next one."""
    take = LoadedSteps(small(loader=True))
    for _ in range(9):
        take()
    assert take.samples == 72
    assert take.left == 7


@pytest.mark.parametrize(("seconds", "left"), [(0.1, 0), (0.025, 5)])
def test_short_epochs_are_timed_whole(monkeypatch, seconds, left):
    """Of 80 ms: two whole ones in a trial of 100 ms, two batches after the first in 25 ms."""
    clock = itertools.count()
    monkeypatch.setattr(trial.time, "perf_counter", lambda: next(clock) / 100)
    take = LoadedSteps(small(loader=True))
    _loaded(take, seconds)
    assert take.left == left
    assert take.samples == (8 * 8 * 3 if left == 0 else 8 * 3)


def test_facts_of_a_training_are_read():
    """Device, layers, optimizer, loader; SGD has both implementations."""
    known = Facts(**facts(NAME, {"loader": True}))
    assert (known.device, known.convolutions, known.loader) == ("cpu", True, True)
    assert (known.optimizers, known.batch_size) == (["foreach", "fused"], 8)
    assert 0 < known.optimizer_share < 1
    assert 0 <= known.wait_share < 1


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        ("crash", "crashed", "killed by SIGSEGV"),
        ("memory", "out-of-memory", "can't allocate memory"),
        ("raise", "failed", "ValueError: as planted"),
    ],
)
def test_a_trial_that_fails_says_how(fault, kind, message):
    """Its process is its own."""
    with pytest.raises(TrialError, match=message) as error:
        Served(serve, NAME, {"fault": fault}, {}, timeout_s=60)
    assert error.value.kind == kind


def test_a_trial_that_hangs_costs_its_limit_alone():
    """It is killed with all that it started."""
    with pytest.raises(TrialError, match="no end within 3 s") as error:
        Served(serve, NAME, {"fault": "hang"}, {}, timeout_s=3)
    assert error.value.kind == "timeout"


def test_loader_workers_of_a_trial_start_as_in_the_user_s_program():
    """A child of a fork server would start them by a server of its own."""
    started = in_process(multiprocessing.get_start_method, timeout_s=60)
    assert started == multiprocessing.get_start_method()


@pytest.mark.parametrize("loader", [False, True])
def test_a_trial_is_timed_beside_the_plain_loop(loader):
    """Its first losses are the same in every process; its time is that of the plain loop's."""
    parameters = {"loader": loader}
    with Trials(
        NAME, parameters, seconds=0.1, limit_s=120, has_loader=loader, shared=True
    ) as trials:
        result = trials.take({}, 120)
        assert result["losses"] == trials.plain["losses"]
        assert len(result["losses"]) == 5
        assert 0 < result["sample_s"] < 1
        assert result["samples"] == 8


def test_a_plain_loop_that_dies_between_trials_is_started_again():
    """The trial beside it is not blamed, and nothing that was measured is lost."""
    with Trials(NAME, {}, seconds=0.1, limit_s=120, has_loader=False, shared=True) as trials:
        trials._reference.close()
        assert trials.take({}, 120)["sample_s"] > 0


def test_a_trial_s_time_is_its_ratio_to_the_plain_loop(monkeypatch):
    """The machine is half as fast from the fourth turn on: twice the plain loop all the same.

    The plain loop's last turn is the first one of the next trial: 1, 11 and 10 turns.
    """
    speed = iter([1.0, 1.0, 1.0, 1.0, *[0.5] * 18])

    class Scripted:
        def __init__(self, _job, _name, _parameters, config, **_limit):
            self.cost_s, self.first = 2.0 if config else 1.0, {"samples": 1, "losses": []}
            self.closed = False

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.close()

        def close(self):
            self.closed = True

        def ask(self, _seconds, _timeout_s):
            return {"sample_s": self.cost_s / next(speed), "spent_s": 1.0, "waited_s": 0.0}

    monkeypatch.setattr(beside, "Served", Scripted)
    with Trials("n", {}, seconds=5, limit_s=9, has_loader=False, shared=True) as trials:
        results = [trials.take({"threads": 1}, 9) for _ in range(2)]
    assert next(speed, None) is None
    assert trials.plain_s == 1.0
    assert [result["sample_s"] for result in results] == pytest.approx([2.0, 2.0])
    assert not any(result["disturbed"] for result in results)
    assert trials._reference.closed


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


def test_a_plain_loop_that_does_not_run_is_one_line(run):
    """There is nothing to compare with."""
    status, out, errors = run("tune", NAME, "--set", "fault=raise", "--budget", "10")
    assert (status, out) == (2, "")
    assert errors[-1].startswith(f"hpml-lab: the plain loop of {NAME} does not run: ")
