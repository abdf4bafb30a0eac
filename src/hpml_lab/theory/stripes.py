"""Upper bounds for the accuracy of any classifier on images of stripes.

All classes are equally likely. A stripe that the generator cuts off may be empty; the image is then
the same as one of the class without a stripe, but with another label.
"""

from fractions import Fraction

from hpml_lab.theory.validation import check_int


def empty_share(first: int, last: int, end: int) -> Fraction:
    """Returns the share of stripes without a pixel.

    Args:
        first: First row where a stripe may start.
        last: Last such row; all are equally likely.
        end: Row where stripes are cut off: one that starts there, or after it, is empty.

    Raises:
        InputError: unless 0 <= first <= last.
    """
    check_int("last", last, check_int("first", first))
    check_int("end", end)
    return Fraction(max(0, last + 1 - max(first, end)), last + 1 - first)


def accuracy_ceiling(classes: int, empty: Fraction) -> Fraction:
    """Returns the accuracy of the best classifier: 1 - (classes - 1) / classes * empty.

    It assigns every image without a stripe to the class without one, and errs only for empty
    stripes.

    Args:
        classes: Number of classes; one has no stripe.
        empty: Share of empty stripes in the other classes.

    Raises:
        InputError: for fewer than two classes.
    """
    return 1 - Fraction(check_int("classes", classes, 2) - 1, classes) * empty


def ceiling_without(classes: int, alike: int) -> Fraction:
    """Returns the accuracy of the best classifier that cannot distinguish `alike` classes.

    It is right about one of them: (classes - alike + 1) / classes. For a horizontal, a vertical and
    no stripe it is 2/3 for a classifier that only detects a stripe.

    Raises:
        InputError: unless 1 <= alike <= classes.
    """
    check_int("classes", classes, check_int("alike", alike, 1))
    return Fraction(classes - alike + 1, classes)
