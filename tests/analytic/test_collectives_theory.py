"""All-reduce and overlapped exchange, against simulations of their messages."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.errors import InputError
from hpml_lab.theory.collectives import overlapped_end_s, ring_all_reduce_s, tree_all_reduce_s

SIZES = st.integers(0, 2**30)
LATENCIES = st.integers(0, 1000).map(lambda n: n * 1e-6)
RANKS = st.integers(1, 4096)
BYTES_PER_S = 1e9


def simulated_ring_s(size, ranks, latency_s):
    """Every rank sends a chunk to the next one, 2 (n - 1) times; a round ends when all have."""
    now_s = [0.0] * ranks
    for _ in range(2 * (ranks - 1)):
        sent_s = [now + latency_s + size / ranks / BYTES_PER_S for now in now_s]
        now_s = [max(sent_s[rank - 1], sent_s[rank]) for rank in range(ranks)]
    return max(now_s)


def simulated_tree_s(size, ranks, latency_s):
    """Halves of the ranks reduce into the other halves until one is left, and back again."""
    message_s, left, now_s = latency_s + size / BYTES_PER_S, ranks, 0.0
    while left > 1:
        left, now_s = math.ceil(left / 2), now_s + message_s
    return 2 * now_s


@given(SIZES, st.integers(1, 64), LATENCIES)
def test_a_ring_is_that_of_a_simulation(size, ranks, latency_s):
    """For up to 64 ranks, message by message."""
    expected_s = simulated_ring_s(size, ranks, latency_s)
    assert ring_all_reduce_s(size, ranks, latency_s, BYTES_PER_S) == pytest.approx(expected_s)


@given(SIZES, RANKS, LATENCIES)
def test_a_tree_is_that_of_a_simulation(size, ranks, latency_s):
    """For any number of ranks up to 4,096."""
    expected_s = simulated_tree_s(size, ranks, latency_s)
    assert tree_all_reduce_s(size, ranks, latency_s, BYTES_PER_S) == pytest.approx(expected_s)


def test_numbers_worked_out_by_hand():
    """1 GB at 1 GB/s over four ranks: a ring moves 1.5 GB over each link, a tree 4 times 1 GB."""
    assert ring_all_reduce_s(1e9, 4, 0.001, 1e9) == pytest.approx(6 * (0.001 + 0.25))
    assert tree_all_reduce_s(1e9, 4, 0.001, 1e9) == pytest.approx(4 * (0.001 + 1))
    assert ring_all_reduce_s(1e9, 1, 0.001, 1e9) == 0 == tree_all_reduce_s(1e9, 1, 0.001, 1e9)


def simulated_end_s(ready_s, cost_s):
    """One exchange after the other, none before it is ready."""
    end_s = 0.0
    for ready, cost in zip(ready_s, cost_s, strict=True):
        end_s = max(end_s, ready) + cost
    return end_s


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=30))
def test_overlapped_exchanges_end_as_in_a_simulation(buckets):
    """Ready times in order, as a backward pass makes them."""
    ready_s = sorted(ready for ready, _ in buckets)
    cost_s = [cost for _, cost in buckets]
    assert overlapped_end_s(ready_s, cost_s) == pytest.approx(simulated_end_s(ready_s, cost_s))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ring_all_reduce_s(-1, 2, 0, 1), "size_bytes is -1"),
        (lambda: tree_all_reduce_s(1, 0, 0, 1), "ranks is 0"),
        (lambda: ring_all_reduce_s(1, 2, 0, 0), "bytes_per_s is 0"),
        (lambda: ring_all_reduce_s(1, 2, -1, 1), "latency_s is -1"),
        (lambda: overlapped_end_s([1.0], []), "1 times and 0 costs; give as many of both"),
    ],
)
def test_bad_input_is_refused(call, message):
    """With what is wrong."""
    with pytest.raises(InputError, match=message):
        call()
