"""What measuring costs: a step of 10 ms bare and under the sampler, in turn."""

import statistics
import time

import pytest

from hpml_lab.measure.clock import HostClock
from hpml_lab.measure.sampling import sample
from hpml_lab.measure.stopping import UntilPrecise

STEP_S = 0.010
PAIRS = 20
ROUNDS = 10


class Work:
    """A fixed amount of work that takes about `STEP_S`; counts its calls."""

    def __init__(self):
        self.calls = 0
        began_s = time.perf_counter()
        sum(range(1_000_000))
        self._terms = round(1_000_000 * STEP_S / (time.perf_counter() - began_s))

    def __call__(self):
        self.calls += 1
        return sum(range(self._terms))


class Spin:
    """Looks at the clock until `STEP_S` are over: what it takes longer is not its own."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        end_s = time.perf_counter() + STEP_S
        while time.perf_counter() < end_s:
            pass


@pytest.mark.hpml_once
@pytest.mark.benchmark(group="harness")
@pytest.mark.parametrize("step", [Work, Spin], ids=["work", "spin"])
def test_ratio(measure, benchmark, step):
    """A call takes as long under the sampler as bare, everything that it does counted.

    The saved ratios are of the seconds that it states, and of all that pass: 1.01 is the aim.
    """
    work, stated, passed = step(), [], []
    for _ in range(PAIRS):
        bare_s = _bare_s(work)
        stated_s, passed_s = _measured_s(work)
        stated.append(stated_s / bare_s)
        passed.append(passed_s / bare_s)
    measure(work)
    benchmark.extra_info["harness"] = {
        "stated_ratio": statistics.median(stated),
        "passed_ratio": statistics.median(passed),
        "passed_quartiles": statistics.quantiles(passed, n=4)[::2],
    }
    assert len(stated) == PAIRS


def _bare_s(work):
    began_s = time.perf_counter()
    for _ in range(ROUNDS):
        work()
    return (time.perf_counter() - began_s) / ROUNDS


def _measured_s(work):
    """Returns the mean seconds of a call as stated, and those that passed for each call."""
    rule = UntilPrecise(budget_s=0, least=ROUNDS)
    before, began_s = work.calls, time.perf_counter()
    taken = sample(work, HostClock(), rule, warm_up_s=0)
    passed_s = (time.perf_counter() - began_s) / (work.calls - before)
    return statistics.mean(taken.rounds_s), passed_s
