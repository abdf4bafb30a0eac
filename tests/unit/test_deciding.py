"""Verdicts from given evidence: numbers worked out by hand, and what is said of them."""

import math
from itertools import starmap

import numpy as np
import pytest

from hpml_lab.comparison.deciding import decide, status_of
from hpml_lab.comparison.sides import Case
from hpml_lab.stats.two_sample import Evidence

# In logs: the margin and all others are binary fractions, so that no rounding decides.
MARGIN = 0.0625
FEW = math.nan


def side(processes=3, warnings=(), disturbed=0, level=0.0):
    """Returns a case of one run."""
    return Case(
        "t.py::t", {0: np.full(processes, level)}, warnings=list(warnings), disturbed=disturbed
    )


def verdict(change, half_width, base=None, new=None, *, sampling=0.5, drift=0.0, allowance=0.0):
    """Returns the verdict of one case of three processes a side."""
    row = (change, half_width, 0.01, 4.0, sampling)
    arrays = [np.array([value]) for value in row]
    rest = [np.array(value) for value in (drift, allowance, 0)]
    both = [base or side()], [new or side()]
    return decide(*both, Evidence(*arrays, *rest), math.expm1(MARGIN))[0]


def additional(change, **parts):
    """Returns how many more processes would settle an inconclusive case of three."""
    return verdict(change, 0.5, **parts).additional


@pytest.mark.parametrize(
    ("change", "parts", "more"),
    [
        # 3 processes, 0.5^2 of effect squared, 0.25^2 wanted: four times as many.
        (0.25, {}, 9),
        (-0.25, {}, 9),
        # A drift of 1/8 leaves 3/64 of 4/64 to the processes: 16 in all.
        (0.25, {"drift": 0.125}, 13),
        # A change of 1/64 is to be shown as none: 3/64 are left to the margin, and 3/32 is seen.
        (0.015625, {"sampling": 0.09375}, 9),
        # The drift alone is as large as the change.
        (0.25, {"drift": 0.25}, None),
        # At least one; with an allowance for outliers at least as many again.
        (0.25, {"sampling": 0.125}, 1),
        (0.25, {"sampling": 0.125, "allowance": 0.01}, 3),
        # 1001.7 and 1002.3 in all.
        (0.0625, {"sampling": math.sqrt(333.9) * 0.0625}, 999),
        (0.0625, {"sampling": math.sqrt(334.1) * 0.0625}, None),
    ],
)
def test_how_many_more_would_settle_it(change, parts, more):
    """The effect falls as 1 / sqrt(n), but for the drift; more than 999 are not asked for."""
    assert additional(change, **parts) == more


@pytest.mark.parametrize(
    ("change", "half_width", "word", "reason"),
    [
        (0.0, 0.03125, "unchanged", "within the margin of 6.4%: between -3.1% and +3.2%"),
        (0.5, 0.25, "regressed", "slower by +64.9%, between +28.4% and +111.7%"),
        (-0.5, 0.25, "improved", "faster by -39.3%, between -52.8% and -22.1%"),
        (
            0.25, 0.5, "inconclusive",
            "between -22.1% and +111.7%, which says neither; +67.4% would have been seen; about 9 "
            "more processes a side would settle it",
        ),
    ],
)  # fmt: skip
def test_the_reason_has_the_interval(change, half_width, word, reason):
    """e^(1/4) = 1.284, e^(1/2) = 1.649; t(90 %, 4) = 1.533, so 0.5 + 0.0153 would be seen."""
    judged = verdict(change, half_width)
    assert (judged.verdict, judged.reason, judged.warnings) == (word, reason, [])
    assert judged.additional == (9 if word == "inconclusive" else None)


def test_what_no_process_would_settle_is_said():
    """The machine's drift is as large as the change."""
    reason = verdict(0.25, 0.5, drift=0.25).reason
    assert reason.endswith("more processes would not settle it, `hpml-lab ab` may")


def test_warnings_of_both_sides_are_in_the_reason():
    """With the side that they are about."""
    judged = verdict(0.5, 0.25, side(warnings=["drift"]), side(warnings=["two modes"]))
    assert judged.warnings == ["baseline: drift", "contender: two modes"]
    assert judged.reason.endswith(" (baseline: drift; contender: two modes)")


@pytest.mark.parametrize(
    ("change", "half_width", "word"),
    [
        (0.03125, 0.03125, "unchanged"),
        (0.125, 0.125, "inconclusive"),
        (0.125, 0.0625, "regressed"),
        (-0.125, 0.0625, "improved"),
    ],
)
def test_an_end_that_meets_a_limit_is_within(change, half_width, word):
    """At the margin exactly it is unchanged; at no change exactly it is inconclusive."""
    assert status_of(change, half_width, MARGIN) == word


@pytest.mark.parametrize(
    ("base", "new", "more", "reason"),
    [
        ((1,), (1,), 2, "measured in 1 and 1 processes, and 2 a side are the fewest to compare; "),
        ((3,), (1,), 2, "measured in 3 and 1 processes, and 2 a side are the fewest to compare; "),
        ((2, (), 1), (1,), 2, "measured in 2 and 1 processes, and 2 a side are the fewest"),
        (
            (1, (), 2), (0, (), 3), 3,
            "the baseline was disturbed in 2 of 3 processes and the contender was disturbed in 3 "
            "of 3 processes, which speak of the machine's load; ",
        ),
    ],
)  # fmt: skip
def test_too_few_processes_are_inconclusive(base, new, more, reason):
    """Three are usual; where others disturbed them, that is the reason."""
    judged = verdict(FEW, FEW, *starmap(side, (base, new)))
    assert (judged.verdict, judged.additional) == ("inconclusive", more)
    assert judged.reason.startswith(reason)


def test_one_process_a_side_has_a_ratio_all_the_same():
    """Of its median: from e^0.25 to e^0.75 the time grew by the factor e^0.5."""
    judged = verdict(FEW, FEW, side(1, level=0.25), side(1, level=0.75))
    assert judged.ratio == pytest.approx(1.6487213)
    assert verdict(FEW, FEW, side(1), side(0)).ratio is None
