"""Ceilings of the edge lab's accuracy, against counting every stripe that can be drawn."""

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.errors import InputError
from hpml_lab.theory.stripes import accuracy_ceiling, ceiling_without, empty_share

WIDTHS = range(1, 5)


def counted(first, last, end):
    """Returns the share of empty stripes among all starts and widths, one by one."""
    drawn = [(start, min(start + width, end)) for start, width in product(range(last + 1), WIDTHS)]
    drawn = [(start, stop) for start, stop in drawn if start >= first]
    return Fraction(sum(stop <= start for start, stop in drawn), len(drawn))


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 50))
def test_empty_stripes_are_those_that_counting_finds(first, more, end):
    """Whatever the width, a stripe is empty where it starts at the cut or behind it."""
    assert empty_share(first, first + more, end) == counted(first, first + more, end)


@pytest.mark.parametrize(
    ("first", "last", "end", "share"),
    [(1, 27, 27, "1/27"), (1, 13, 13, "1/13"), (14, 27, 27, "1/14"), (0, 23, 27, "0")],
)
def test_the_lab_s_generators(first, last, end, share):
    """2023: 1/27 of all stripes, 1/13 and 1/14 in the halves; those that fit are never empty."""
    assert empty_share(first, last, end) == Fraction(share)


@pytest.mark.parametrize(
    ("classes", "empty", "percent"), [(3, "1/27", 97.5), (3, "1/14", 95.2), (5, "1/27", 97.0)]
)
def test_ceilings_of_the_older_generator(classes, empty, percent):
    """97.5 % of three classes, 95.2 % of the shifted validation images, 97.0 % of five classes."""
    assert round(100 * float(accuracy_ceiling(classes, Fraction(empty))), 1) == percent


@given(st.integers(2, 6), st.integers(1, 4), st.integers(1, 8))
def test_no_rule_beats_the_ceiling(classes, empty, others):
    """Over a set of labelled images the best rule is right about each kind's commonest label.

    Of each class with stripes some are empty, of that without all are; a kind of image is a class's
    own stripes, or no stripe.
    """
    drawn = empty + others
    with_stripes = (classes - 1) * others
    without = max(drawn, empty)
    best = Fraction(with_stripes + without, classes * drawn)
    assert accuracy_ceiling(classes, Fraction(empty, drawn)) == best


def test_who_sees_no_orientation_is_right_in_two_of_three():
    """Horizontal and vertical alike: (1 + 1/2 + 1/2) / 3; nothing alike leaves all right."""
    assert ceiling_without(3, 2) == Fraction(2, 3)
    assert ceiling_without(5, 1) == 1
    assert ceiling_without(4, 4) == Fraction(1, 4)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: empty_share(5, 4, 9),
        lambda: empty_share(-1, 4, 9),
        lambda: accuracy_ceiling(1, Fraction(0)),
        lambda: ceiling_without(3, 4),
        lambda: ceiling_without(3, 0),
    ],
)
def test_what_cannot_be_is_refused(wrong):
    """An order of rows or a number of classes that no lab has."""
    with pytest.raises(InputError, match="must be a whole number"):
        wrong()
