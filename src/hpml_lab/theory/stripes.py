"""The most that any classifier can be right about images of stripes.

A class is drawn as often as any other. Stripes that a generator cuts off may be empty; what is
left looks like the class without a stripe, whatever its label says.
"""

from fractions import Fraction

from hpml_lab.theory.scalars import whole


def empty_share(first: int, last: int, end: int) -> Fraction:
    """Returns the share of stripes that have no pixel.

    Args:
        first: the first row where a stripe may start.
        last: the last one; all are as likely.
        end: the row where stripes are cut off: one that starts there, or behind it, is empty.

    Raises:
        InputError: unless 0 <= first <= last.
    """
    whole("last", last, whole("first", first))
    whole("end", end)
    return Fraction(max(0, last + 1 - max(first, end)), last + 1 - first)


def accuracy_ceiling(classes: int, empty: Fraction) -> Fraction:
    """Returns the accuracy of the best classifier: 1 - (classes - 1) / classes * empty.

    It takes every image without a stripe for the one class that has none, and errs for each empty
    stripe alone.

    Args:
        classes: all of them; one has no stripe.
        empty: the share of the others' stripes that are empty.

    Raises:
        InputError: for fewer than two classes.
    """
    return 1 - Fraction(whole("classes", classes, 2) - 1, classes) * empty


def ceiling_without(classes: int, alike: int) -> Fraction:
    """Returns the accuracy of the best classifier that cannot tell some classes from each other.

    It is right about one of them: (classes - alike + 1) / classes. Of a horizontal, a vertical and
    no stripe that is 2/3 for who tells only whether there is one.

    Raises:
        InputError: unless 1 <= alike <= classes.
    """
    whole("classes", classes, whole("alike", alike, 1))
    return Fraction(classes - alike + 1, classes)
