"""Two processes that take turns, a round each."""

import os
import signal
import subprocess
import sys
from itertools import pairwise

import pytest

from hpml_lab.measure import turns
from hpml_lab.measure.disturbance import conditions
from hpml_lab.measure.load import NOBODY
from hpml_lab.measure.sampling import sample
from hpml_lab.measure.stopping import UntilPrecise
from hpml_lab.measure.turns import Turns

ROUNDS = 20
# Each writes its name at the beginning of a round and at its end, with a little work between.
PROGRAM = """
import os, sys
from pathlib import Path
from hpml_lab.measure.turns import Turns
name, path, log = sys.argv[1:]
out = os.open(log, os.O_WRONLY | os.O_APPEND)
turns = Turns(Path(path))
turns.begin()
os.write(out, b"r")
while os.path.getsize(log) < 2:  # until both are there
    turns.hand_over()
for _ in range({rounds}):
    turns.hand_over()
    os.write(out, name.encode())
    sum(range(10_000))
    os.write(out, name.encode())
"""


def start(name, tmp_path, program=PROGRAM):
    """Starts one of two processes."""
    command = [sys.executable, "-c", program.replace("{rounds}", str(ROUNDS))]
    return subprocess.Popen([*command, name, str(tmp_path / "turns"), str(tmp_path / "log")])


@pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="on one processor rounds this short do not alternate"
)
def test_rounds_alternate_and_never_overlap(tmp_path):
    """Twenty rounds each: aabbaabb, whichever is first, and no round within another's."""
    (tmp_path / "log").touch()
    both = [start(name, tmp_path) for name in "ab"]
    assert [process.wait(60) for process in both] == [0, 0]
    log = (tmp_path / "log").read_text().removeprefix("rr")
    pairs = [log[i : i + 2] for i in range(0, len(log), 2)]
    assert sorted(pairs) == ["aa"] * ROUNDS + ["bb"] * ROUNDS
    alternating = sum(one != other for one, other in pairwise(pairs))
    assert alternating >= ROUNDS  # of 2 ROUNDS - 1; a busy machine may let one go ahead


def test_a_process_without_a_partner_waits_for_nobody(tmp_path):
    """Its partner never came, or has ended: rounds go on."""
    alone = Turns(tmp_path / "turns")
    alone.begin()
    for _ in range(3):
        alone.hand_over()


def test_a_partner_that_is_killed_leaves_the_turn(tmp_path):
    """The kernel releases what it held, in whatever state it was."""
    hold = "import sys, time; from pathlib import Path\n"
    hold += "from hpml_lab.measure.turns import Turns\n"
    hold += "Turns(Path(sys.argv[2])).begin(); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, "a", str(tmp_path / "turns")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as partner:
        assert partner.stdout.readline() == b"held\n"
        os.kill(partner.pid, signal.SIGKILL)
        Turns(tmp_path / "turns").begin()


class Away:
    """A partner whose turn takes a second, and a clock that sees it."""

    def __init__(self):
        self.away_s = self.now = 0.0
        self.handed_over = 0

    def hand_over(self):
        """A second passes."""
        self.handed_over += 1
        self.away_s += 1.0
        self.now += 1.0


@pytest.fixture
def partner(monkeypatch):
    """A partner that is not real."""
    away = Away()
    monkeypatch.setattr(turns, "_turns", away)
    return away


def test_each_round_is_handed_over_and_its_wait_is_no_time_of_ours(partner):
    """Twenty rounds of 10 ms in a fifth of a second, though each waited for a second."""

    class Clock:
        def now_s(self):
            return partner.now

        def mark(self):
            return None

        def between_s(self, *_):
            return None

        def synchronise(self):
            partner.now += 1e-6

    def step():
        partner.now += 0.01

    rounds = sample(step, Clock(), UntilPrecise(budget_s=0.2, precision=0), round_s=0.01).rounds_s
    assert len(rounds) >= 18
    assert partner.handed_over > len(rounds)
    assert rounds == pytest.approx([0.01] * len(rounds), rel=0.01)


def test_a_partner_is_no_load_by_others(monkeypatch):
    """What it takes of the machine is not held against the case; without one it would be."""
    assert conditions([]).busy != NOBODY
    monkeypatch.setattr(turns, "_turns", Away())
    assert conditions([]).busy == NOBODY
