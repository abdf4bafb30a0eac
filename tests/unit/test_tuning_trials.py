"""Trials of a tuning: what they read, how they are timed, and how they fail."""

import itertools
import multiprocessing
import signal
from multiprocessing import forkserver
from pathlib import Path

import pytest

from hpml_lab.tuning import beside, process, trial
from hpml_lab.tuning.apply import LoadedSteps
from hpml_lab.tuning.beside import Trials
from hpml_lab.tuning.process import Served, TrialError, in_process
from hpml_lab.tuning.settings import Facts
from hpml_lab.tuning.trial import _loaded, facts, serve
from support.workloads.tuned import small

pytestmark = pytest.mark.integration

NAME = f"{Path(__file__).parents[1] / 'support/workloads/tuned.py'}:small"


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


def test_ctrl_c_while_a_trial_starts_leaves_none(monkeypatch):
    """It comes when the process runs and its number is not known yet: it waits until it is."""
    read, kill = forkserver.read_signed, process._kill
    killed = []

    def interrupted(descriptor):
        monkeypatch.setattr(forkserver, "read_signed", read)  # which also reads how it ended
        signal.raise_signal(signal.SIGINT)
        return read(descriptor)

    def recorded(trial):
        kill(trial)
        killed.append(trial.exitcode)

    monkeypatch.setattr(forkserver, "read_signed", interrupted)
    monkeypatch.setattr(process, "_kill", recorded)
    with pytest.raises(KeyboardInterrupt):
        in_process(signal.pause, timeout_s=60)
    assert killed == [-signal.SIGKILL]


def test_a_machine_that_forks_no_more_says_so(monkeypatch):
    """Not that a process which never began cannot be killed."""

    def refused(_process):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", refused)
    with pytest.raises(BlockingIOError, match="Resource temporarily unavailable"):
        in_process(len, "", timeout_s=60)


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
