"""Why a comparison fails: the one rule of `compare`, the gate and `ab`."""

import pytest

from hpml_lab.comparison.verdicts import Comparison, CounterVerdict, Refusal, Verdict


@pytest.mark.parametrize("word", ["regressed", "missing", "not comparable"])
def test_a_case_that_fails_is_named_with_its_reason(word):
    """Beside a case that is fine."""
    verdicts = [Verdict("a", "unchanged"), Verdict("b", word, reason="why")]
    assert Comparison(verdicts).refusals == [Refusal("b", f"{word}: why")]


def test_a_counter_that_rose_is_named():
    """With both numbers."""
    counter = CounterVerdict("a", "operators", 1000, 1001, "regressed")
    (refusal,) = Comparison([Verdict("a", "unchanged")], [counter]).refusals
    assert refusal == Refusal("a", "counter operators regressed: 1,000 -> 1,001")


@pytest.mark.parametrize("word", ["improved", "unchanged", "inconclusive"])
def test_what_was_judged_passes(word):
    """An inconclusive case too, if a change of some size would have been seen."""
    assert Comparison([Verdict("a", word, 1.0, (0.9, 1.1), 1.2)]).refusals == []


@pytest.mark.parametrize("verdicts", [[], [Verdict("a", "new")], [Verdict("a", "inconclusive")]])
def test_nothing_judged_is_refused(verdicts):
    """No case at all, new ones only, or none in which any change would have been seen."""
    (refusal,) = Comparison(verdicts).refusals
    assert refusal.fullname == ""
    assert refusal.why.startswith("nothing was judged: ")


def test_the_outcome_says_what_is_open():
    """A gate that passes says how many cases it could not decide."""
    judged = [Verdict("a", "unchanged"), Verdict("b", "inconclusive", 1.0, (0.9, 1.1), 1.2)]
    assert Comparison(judged[:1]).outcome == "Passes."
    assert Comparison(judged).outcome == "Passes, 1 of 2 cases inconclusive."
    counters = [CounterVerdict("a", "parameters", 1, 1, "unchanged")]
    assert Comparison(judged[1:2], counters).outcome == "Passes, 1 of 1 cases inconclusive."
    untimed = Comparison([Verdict("a", "inconclusive")], counters)
    assert untimed.outcome == (
        "Passes on 1 counters alone: no time was judged, 1 of 1 cases inconclusive."
    )
    lost = [*judged, Verdict("c", "missing", reason="why")]
    assert Comparison(lost).outcome == "Fails: 1 case missing."
    assert Comparison([]).outcome.startswith("Fails: nothing was judged: ")
