"""Group-sequential testing: when interim looks are taken, and the alpha that each may spend.

Whoever looks at growing data until something shows will find something. So alpha is spent: look
k = 1, 2, ... may raise a false alarm with a chance of alpha / (k (k + 1)), and the last one, at
which time or pairs are used up, with the rest of alpha: alpha / k. As

    1/2 + 1/6 + ... + 1/((k - 1) k) + 1/k = 1,

the chances add up to alpha, however many looks there are and however they depend on each other.
When the last look comes depends on time alone, not on the results of the others.
"""

from collections.abc import Iterator

FIRST = 3  # pairs; fewer say too little
GROWTH = 1.5


def look_pairs() -> Iterator[int]:
    """Numbers of pairs at which to look: 3, 5, 8, 12, 18, 27, ..."""
    pairs = FIRST
    while True:
        yield pairs
        pairs = -int(-pairs * GROWTH // 1)


def alpha_of_look(alpha: float, number: int, *, last: bool) -> float:
    """The alpha that one look spends.

    Args:
        alpha: alpha of all looks together.
        number: number of the look, from 1.
        last: whether it is the last look.
    """
    return alpha / number if last else alpha / (number * (number + 1))
