"""PairedExperiment of processes, the looks at them, and what is left out of further ones."""

from itertools import islice

import numpy as np
import pytest

from hpml_lab.comparison.ab.pairs import PairedExperiment, run_pairs
from hpml_lab.runs.reading import run_of
from hpml_lab.stats.sequential import alpha_of_look, look_pairs
from support.runs import run_json


def run(**seconds):
    """Returns the run of one process: the median of each case."""
    return run_of(run_json({name: [[second] * 3] for name, second in seconds.items()}))


def test_looks_are_geometric():
    """Each after half as many pairs again, rounded up."""
    assert list(islice(look_pairs(), 7)) == [3, 5, 8, 12, 18, 27, 41]


@pytest.mark.parametrize("looks", [1, 2, 3, 10])
def test_looks_spend_all_of_alpha_and_no_more(looks):
    """However many there are, the last one takes what is left."""
    spent = [alpha_of_look(0.01, k, last=k == looks) for k in range(1, looks + 1)]
    assert sum(spent) == pytest.approx(0.01, rel=1e-12)


class Side:
    """Measures what it is told, with a little noise of each process, and writes it down."""

    def __init__(self, name, log, seed, **seconds):
        self.name, self.log, self.seconds = name, log, seconds
        self.random = np.random.default_rng(seed)

    def __call__(self, pair, settled):
        self.log.append((self.name, pair, frozenset(settled)))
        noise = self.random.normal(0, 0.001, len(self.seconds))
        items = zip(self.seconds.items(), noise, strict=True)
        result = run(**{name: s * np.exp(n) for (name, s), n in items if name not in settled})
        return lambda: result


def measured(base, new, enough=lambda: False, seed=0, margin=0.02):
    """Returns the pairs, their comparison by case, and what ran in which order."""
    log = []
    sides = Side("base", log, 1, **base), Side("new", log, 2, **new)
    pairs = PairedExperiment(*sides, seed, 0.01, margin)
    result = pairs.run(enough)
    return pairs, {verdict.fullname: verdict for verdict in result.verdicts}, log


SAME = {name: 0.01 * n for n, name in enumerate("abcdef", 1)}


def test_a_clear_change_settles_at_the_first_look():
    """Three pairs, one case slower, one faster, the others within the margin."""
    pairs, result, log = measured(SAME, SAME | {"a": 0.0125, "b": 0.016})
    words = {name: verdict.verdict for name, verdict in result.items()}
    assert words == {"a": "regressed", "b": "improved"} | dict.fromkeys("cdef", "unchanged")
    assert result["a"].ratio == pytest.approx(1.25, rel=0.005)
    assert pairs.count == 3
    assert len(log) == 6


def test_pairs_run_in_an_order_that_the_seed_decides():
    """Either side first, the same again for the same seed; both sides are told the same pair."""
    orders = [
        [name for name, *_ in measured(SAME, SAME, enough=counting(20), seed=seed)[2]]
        for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert {"base", "new"} == set(orders[0][::2])
    pairs = [pair for _, pair, _ in measured(SAME, SAME)[2]]
    assert pairs[::2] == pairs[1::2] == sorted(pairs[::2])


@pytest.mark.parametrize("seed", range(5))
def test_either_side_is_first_in_one_of_two_pairs(seed):
    """Whatever being first costs, it costs both sides as often."""
    log = measured(SAME, SAME, enough=counting(20), seed=seed, margin=1e-6)[2]
    assert len(log) == 40
    first = [name for name, *_ in log[::2]]
    assert all(set(two) == {"base", "new"} for two in zip(first[::2], first[1::2], strict=True))


def counting(pairs):
    """Returns an end after so many pairs."""
    left = iter(range(pairs - 1, -1, -1))
    return lambda: next(left) == 0


def test_what_is_settled_is_left_out():
    """Further pairs measure the open case alone, and the others keep their verdicts."""
    noisy = {"a": 0.0123}

    class Wild(Side):
        def __call__(self, pair, settled):
            result = super().__call__(pair, settled)()
            more = {b.fullname: b.stats.median * self.wild(b.fullname) for b in result.benchmarks}
            return lambda: run(**more)

        def wild(self, name):
            return float(np.exp(self.random.normal(0, 0.05))) if name == "f" else 1.0

    log = []
    sides = Wild("base", log, 1, **SAME), Wild("new", log, 2, **SAME | noisy)
    pairs = PairedExperiment(*sides, 0, 0.01, 0.02)
    result = {verdict.fullname: verdict for verdict in pairs.run(counting(7)).verdicts}
    assert result["f"].verdict == "inconclusive"
    assert result["f"].processes == (7, 7)
    assert result["a"].verdict == "regressed"
    assert result["a"].processes == (3, 3)
    assert {settled for _, pair, settled in log if pair > 3} == {frozenset("abcde")}


def test_the_last_look_takes_what_is_left(monkeypatch):
    """At four pairs, behind a look at three: half of alpha each."""
    asked = []

    def seen(base, new, *, alpha, **rest):
        asked.append((len(base), alpha, rest["paired"]))
        return compare(base, new, alpha=alpha, **rest)

    from hpml_lab.comparison.ab import pairs
    from hpml_lab.comparison.compare import compare

    monkeypatch.setattr(pairs, "compare", seen)
    measured(SAME, SAME, enough=counting(4), margin=1e-6)
    assert asked == [(3, 0.005, True), (4, 0.005, True)]


def test_one_pair_is_inconclusive():
    """The time was spent at once: nothing settled, and nothing claimed."""
    _, result, _ = measured(SAME, SAME | {"a": 0.1}, enough=lambda: True)
    assert {verdict.verdict for verdict in result.values()} == {"inconclusive"}


def test_missing_and_new_cases_are_settled():
    """They need no further pairs."""
    pairs, result, _ = measured(SAME | {"gone": 1.0}, SAME | {"come": 1.0})
    assert (result["gone"].verdict, result["come"].verdict) == ("missing", "new")
    assert pairs.count == 3


def test_half_a_pair_does_not_count():
    """A process that lost a case takes its pair with it; a case of one side alone stays."""
    base = [run(a=1.0, b=1.0), run(a=1.0, b=1.0), run(b=1.0, gone=1.0)]
    new = [run(a=1.0, b=1.0), run(b=1.0), run(a=1.0, b=1.0)]
    kept = [
        [sorted(b.fullname for b in r.benchmarks) for r in side] for side in run_pairs(base, new)
    ]
    assert kept == [[["a", "b"], ["b"], ["b", "gone"]], [["a", "b"], ["b"], ["b"]]]
