"""Why a gate refuses a comparison."""

import pytest

from hpml_lab.verdict.comparison import Comparison, CounterVerdict, Verdict
from hpml_lab.verdict.gating import Refusal, outcome, refusals


@pytest.mark.parametrize("word", ["regressed", "missing", "not comparable"])
def test_a_case_that_fails_is_named_with_its_reason(word):
    """Beside a case that is fine."""
    verdicts = [Verdict("a", "unchanged"), Verdict("b", word, reason="why")]
    assert refusals(Comparison(verdicts)) == [Refusal("b", f"{word}: why")]


def test_a_counter_that_rose_is_named():
    """With both numbers."""
    counter = CounterVerdict("a", "operators", 1000, 1001, "regressed")
    (refusal,) = refusals(Comparison([Verdict("a", "unchanged")], [counter]))
    assert refusal == Refusal("a", "counter operators regressed: 1,000 -> 1,001")


@pytest.mark.parametrize("word", ["improved", "unchanged", "inconclusive"])
def test_what_was_judged_passes(word):
    """An inconclusive case too, if a change of some size would have been seen."""
    assert refusals(Comparison([Verdict("a", word, 1.0, (0.9, 1.1), 1.2)])) == []


@pytest.mark.parametrize("verdicts", [[], [Verdict("a", "new")], [Verdict("a", "inconclusive")]])
def test_nothing_judged_is_refused(verdicts):
    """No case at all, new ones only, or none in which any change would have been seen."""
    (refusal,) = refusals(Comparison(verdicts))
    assert refusal.fullname == ""
    assert refusal.why.startswith("nothing was judged: ")


def test_the_outcome_says_what_is_open():
    """A gate that passes says how many cases it could not decide."""
    judged = [Verdict("a", "unchanged"), Verdict("b", "inconclusive", 1.0, (0.9, 1.1), 1.2)]
    assert outcome(Comparison(judged[:1]), []) == "The gate passes."
    passed = "The gate passes, 1 of 2 cases inconclusive."
    assert outcome(Comparison(judged), refusals(Comparison(judged))) == passed
    assert outcome(Comparison([]), [Refusal("a", "x")]) == "The gate fails: 1 reason above."
    assert outcome(Comparison([]), [Refusal("", "why")]) == "The gate fails: why."
