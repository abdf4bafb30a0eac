"""Waiting for a quiet machine, on processors made up."""

import os

import pytest

from hpml_lab.measure.load import Busy, wait_until_quiet


class Machine:
    """Two processors of which others take given seconds in each second of waiting."""

    def __init__(self, others_s):
        self._others_s = iter(others_s)
        self._now = Busy(0.0, 100.0, 5.0)
        self.paused_s = 0.0

    def look(self):
        return self._now

    def pause(self, duration_s):
        self.paused_s += duration_s
        now = self._now
        busy_s = now.all_s + next(self._others_s) * duration_s
        self._now = Busy(now.now_s + duration_s, busy_s, now.own_s)


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    """The machine has two."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def waited(others_s, limit_s=5):
    """Returns what others took in the end, what was said, and how long it took."""
    machine, said = Machine(others_s), []
    share = wait_until_quiet(limit_s, said.append, look=machine.look, pause=machine.pause)
    return share, said, machine.paused_s


def test_a_quiet_machine_is_looked_at_for_a_second():
    """Nothing is said of it."""
    assert waited([0.05]) == (pytest.approx(0.025), [], 1.0)


def test_a_neighbour_that_ends_is_waited_for():
    """It takes half of the machine for two seconds."""
    assert waited([1.0, 1.0, 0.0]) == (
        0.0,
        ["Waiting for a quiet machine: others take 50.0 % of its processors ..."],
        3.0,
    )


def test_a_neighbour_that_stays_is_not_waited_for_for_ever():
    """After the limit it is measured, and that is said."""
    share, said, paused_s = waited([1.0] * 5)
    assert (share, paused_s) == (0.5, 5.0)
    assert said[-1] == "Not quiet after 5 s: others take 50.0 %; measuring anyway."


def test_who_does_not_want_to_wait_does_not_look():
    """A limit of 0 costs nothing."""
    assert waited([], limit_s=0) == (None, [], 0.0)


def test_where_nobody_counts_nobody_waits(monkeypatch):
    """A kernel that does not tell is taken as it is."""
    machine = Machine([0.0])
    monkeypatch.setattr(Busy, "others", lambda *_: None)
    assert wait_until_quiet(5, print, look=machine.look, pause=machine.pause) is None
