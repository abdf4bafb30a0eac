"""When the processes so far are looked at, and at which alpha, so that looking often is no excuse.

Whoever looks at growing data until something shows will be shown something. So alpha is spent: look
k = 1, 2, ... may raise a false alarm with a chance of alpha / (k (k + 1)), and the last one, at
which time or pairs are spent, with all that is left of alpha: alpha / k. As

    1/2 + 1/6 + ... + 1/((k - 1) k) + 1/k = 1,

the chances add up to alpha, however many looks there are and however they depend on each other.
When the last look comes is a matter of time alone, not of what the others have shown.
"""

from collections.abc import Iterator

FIRST = 3  # pairs; fewer say too little
GROWTH = 1.5


def look_pairs() -> Iterator[int]:
    """Yields after how many pairs to look: 3, 5, 8, 12, 18, 27, ..."""
    pairs = FIRST
    while True:
        yield pairs
        pairs = -int(-pairs * GROWTH // 1)


def alpha_of_look(alpha: float, number: int, *, last: bool) -> float:
    """Returns the alpha of a look.

    Args:
        alpha: of all of them.
        number: of the look, counted from 1.
        last: whether no other will follow.
    """
    return alpha / number if last else alpha / (number * (number + 1))
