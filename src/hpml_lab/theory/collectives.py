"""Times of collective operations, and of exchanges that run beside a computation.

A message of m bytes takes alpha + m / beta between two ranks: a latency and a bandwidth
(R. Hockney: The communication challenge for MPP. Parallel Computing 20, 1994). An all-reduce over
n ranks takes

    ring    2 (n - 1) (alpha + m / (n beta))
    tree    2 ceil(log2 n) (alpha + m / beta)

(R. Thakur, R. Rabenseifner, W. Gropp: Optimization of collective communication operations in MPICH.
IJHPCA 19, 2005). A ring moves the fewest bytes, a tree takes the fewest messages. An all-gather and
a reduce-scatter are the two halves of a ring.

Gradients are exchanged in buckets, one after the other, each as soon as it is computed. Bucket i is
ready at r_i and takes c_i. It ends at e_i = max(r_i, e_(i-1)) + c_i, so the last one ends at the
largest of r_j + c_j + ... + c_last over all j.
"""

import math
from collections.abc import Sequence

from hpml_lab.errors import InputError
from hpml_lab.theory.validation import check_int, check_not_negative, check_positive


def ring_all_reduce_s(size_bytes: float, ranks: int, latency_s: float, bytes_per_s: float) -> float:
    """Returns the seconds of an all-reduce over a ring; 0 for one rank.

    Raises:
        InputError: for sizes or times below 0, no bandwidth, or no rank.
    """
    n = _checked(size_bytes, ranks, latency_s, bytes_per_s)
    return 2 * (n - 1) * (latency_s + size_bytes / (n * bytes_per_s))


def tree_all_reduce_s(size_bytes: float, ranks: int, latency_s: float, bytes_per_s: float) -> float:
    """Returns the seconds of an all-reduce over a binary tree; 0 for one rank.

    Raises:
        InputError: as `ring_all_reduce_s`.
    """
    n = _checked(size_bytes, ranks, latency_s, bytes_per_s)
    return 2 * math.ceil(math.log2(n)) * (latency_s + size_bytes / bytes_per_s)


def all_reduce_s(size_bytes: float, ranks: int, latency_s: float, bytes_per_s: float) -> float:
    """Returns the seconds of the faster one of ring and tree, as libraries choose it by size.

    Raises:
        InputError: as `ring_all_reduce_s`.
    """
    return min(
        ring_all_reduce_s(size_bytes, ranks, latency_s, bytes_per_s),
        tree_all_reduce_s(size_bytes, ranks, latency_s, bytes_per_s),
    )


def all_gather_s(size_bytes: float, ranks: int, latency_s: float, bytes_per_s: float) -> float:
    """Returns the seconds of an all-gather or a reduce-scatter over a ring.

    Args:
        size_bytes: Bytes of the whole, of which each rank has its share.
        ranks: Number of ranks.
        latency_s: Seconds of an empty message.
        bytes_per_s: Bandwidth of a link.

    Raises:
        InputError: as `ring_all_reduce_s`.
    """
    return ring_all_reduce_s(size_bytes, ranks, latency_s, bytes_per_s) / 2


def overlapped_end_s(ready_s: Sequence[float], cost_s: Sequence[float]) -> float:
    """Returns when the last of several exchanges ends, which run one after the other.

    Args:
        ready_s: When each may begin, in their order.
        cost_s: How long each takes.

    Raises:
        InputError: if there are not as many of both.
    """
    if len(ready_s) != len(cost_s):
        raise InputError(f"{len(ready_s)} times and {len(cost_s)} costs; give as many of both")
    left = sum(cost_s)
    end_s = 0.0
    for ready, cost in zip(ready_s, cost_s, strict=True):
        end_s = max(end_s, ready + left)
        left -= cost
    return end_s


def _checked(size_bytes: float, ranks: int, latency_s: float, bytes_per_s: float) -> int:
    check_not_negative("size_bytes", size_bytes)
    check_not_negative("latency_s", latency_s)
    check_positive("bytes_per_s", bytes_per_s)
    return check_int("ranks", ranks, least=1)
