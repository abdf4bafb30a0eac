"""The caching allocator: its blocks and segments, by hand and for any sequence."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.errors import InputError, MemoryLimitError
from hpml_lab.memory import allocator as rules
from hpml_lab.memory.allocator import CachingAllocator, block_bytes, segment_bytes

KIB = 2**10
MIB = 2**20


def after(*sizes, capacity_bytes=None):
    """Returns an allocator that holds blocks for these sizes, and their addresses."""
    allocator = CachingAllocator(capacity_bytes)
    return allocator, [allocator.allocate(size) for size in sizes]


@pytest.mark.parametrize(
    ("asked", "block"), [(1, 512), (512, 512), (513, 1024), (40_000, 40_448), (MIB + 1, 1_049_088)]
)
def test_blocks_are_multiples_of_512_bytes(asked, block):
    """A block is the next multiple of 512 bytes."""
    assert block_bytes(asked) == block


@pytest.mark.parametrize(
    ("block", "segment"),
    [
        (512, 2 * MIB),
        (MIB, 2 * MIB),
        (MIB + 512, 20 * MIB),
        (10 * MIB - 512, 20 * MIB),
        (10 * MIB, 10 * MIB),
        (10 * MIB + 512, 12 * MIB),
        (300 * MIB, 300 * MIB),
    ],
)
def test_the_driver_is_asked_for_2_20_or_just_enough_mebibytes(block, segment):
    """Up to 1 MiB share 2 MiB, below 10 MiB share 20 MiB, others take multiples of 2 MiB."""
    assert segment_bytes(block) == segment


def test_a_published_snapshot_of_a_gpu_is_reproduced():
    """Four tensors and a freed one share 2 MiB; the cuBLAS workspace is cut from 20 MiB.

    Numbers: https://discuss.pytorch.org/t/178671, printed by torch.cuda.memory_snapshot().
    """
    allocator, (*_, product, _) = after(40_000, 40, 4_000, 40, 40)
    allocator.free(product)
    assert (allocator.allocated_bytes, allocator.reserved_bytes) == (45_568, 2_097_152)
    allocator.allocate(8_519_680)
    assert (allocator.allocated_bytes, allocator.reserved_bytes) == (8_565_248, 23_068_672)


def test_small_blocks_fill_a_segment_to_the_end():
    """Two of 1 MiB fill 2 MiB; the third needs another segment."""
    assert after(MIB, MIB)[0].reserved_bytes == 2 * MIB
    assert after(MIB, MIB, 1)[0].reserved_bytes == 4 * MIB


def test_a_rest_of_at_most_a_mebibyte_stays_with_a_large_block():
    """11 MiB get a segment of 12 MiB whole; 10.5 MiB leave 1.5 MiB, which are cut off."""
    assert after(11 * MIB)[0].allocated_bytes == 12 * MIB
    assert after(21 * MIB // 2)[0].allocated_bytes == 21 * MIB // 2


def test_a_small_request_is_never_served_from_the_large_pool():
    """18 free MiB in a large segment do not help a block of 1 MiB."""
    assert after(2 * MIB, MIB)[0].reserved_bytes == 22 * MIB


def test_free_neighbours_become_one_block():
    """Two freed blocks of 5 MiB serve 9 MiB together; two that do not touch cannot."""
    allocator, (first, second, *_) = after(*[5 * MIB] * 4)
    allocator.free(first)
    allocator.free(second)
    allocator.allocate(9 * MIB)
    assert allocator.reserved_bytes == 20 * MIB
    allocator, (first, _, third, _) = after(*[5 * MIB] * 4)
    allocator.free(first)
    allocator.free(third)
    allocator.allocate(9 * MIB)
    assert allocator.reserved_bytes == 40 * MIB


def test_a_block_joins_its_neighbours_on_both_sides():
    """Freed last, the middle one of three makes 15 MiB that serve 15 MiB."""
    allocator, (first, middle, last, _) = after(*[5 * MIB] * 4)
    for address in (first, last, middle):
        allocator.free(address)
    allocator.allocate(15 * MIB)
    assert allocator.reserved_bytes == 20 * MIB


def test_segments_are_never_joined():
    """Two free segments of 20 MiB do not serve 40 MiB."""
    allocator, addresses = after(20 * MIB, 20 * MIB)
    for address in addresses:
        allocator.free(address)
    allocator.allocate(40 * MIB)
    assert allocator.reserved_bytes == 80 * MIB


def test_the_smallest_block_that_fits_is_taken():
    """3 MiB come from a hole of 4 MiB, whole, and not from one of 6 MiB."""
    allocator, (six, _, four, _) = after(6 * MIB, 5 * MIB, 4 * MIB, 5 * MIB)
    allocator.free(six)
    allocator.free(four)
    assert allocator.allocate(3 * MIB) == four
    assert allocator.allocated_bytes == 14 * MIB


def test_of_equal_blocks_the_lowest_address_is_taken():
    """Whichever of two equal holes was made first."""
    for order in ((0, 2), (2, 0)):
        allocator, addresses = after(*[5 * MIB] * 4)
        for index in order:
            allocator.free(addresses[index])
        assert allocator.allocate(5 * MIB) == addresses[0]


def test_a_full_device_takes_unused_segments_back_first():
    """In 40 MiB, 30 MiB fit behind freed 20 MiB; beside live ones they do not."""
    allocator, (address,) = after(20 * MIB, capacity_bytes=40 * MIB)
    allocator.free(address)
    allocator.allocate(30 * MIB)
    assert (allocator.reserved_bytes, allocator.peak_reserved_bytes) == (30 * MIB, 30 * MIB)
    with pytest.raises(MemoryLimitError, match="tried to allocate 20971520 bytes, 31457280 of"):
        allocator.allocate(20 * MIB)


def test_a_segment_with_a_live_block_is_not_given_back():
    """Of two segments the empty one goes; 512 live bytes keep the other."""
    allocator, (small, large) = after(512, 10 * MIB)
    allocator.free(large)
    allocator.empty_cache()
    assert allocator.reserved_bytes == 2 * MIB
    allocator.free(small)
    allocator.empty_cache()
    assert allocator.reserved_bytes == 0


def test_peaks_start_anew_at_what_is_held():
    """Behind the reset the peaks are the present values."""
    allocator, (address, _) = after(10 * MIB, 512)
    allocator.free(address)
    allocator.reset_peaks()
    assert (allocator.peak_allocated_bytes, allocator.peak_reserved_bytes) == (512, 12 * MIB)


def test_nonsense_is_refused():
    """An empty block, an address twice, an address from nowhere."""
    allocator, (address,) = after(1)
    allocator.free(address)
    with pytest.raises(InputError, match="size_bytes is 0; it must be a whole number, 1 or more"):
        allocator.allocate(0)
    for wrong in (address, 7):
        with pytest.raises(InputError, match=f"address is {wrong}"):
            allocator.free(wrong)


SIZES = st.one_of(st.integers(1, 3 * KIB), st.integers(1, 3 * MIB), st.integers(MIB, 40 * MIB))
# A size allocates; the number beside it says which live block goes first, if any.
SEQUENCES = st.lists(st.tuples(SIZES, st.none() | st.integers(0, 99)), max_size=60)


def run(allocator, sequence):
    """Takes a sequence through an allocator and yields behind each step; frees all at the end."""
    live = []
    for size, victim in sequence:
        if victim is not None and live:
            allocator.free(live.pop(victim % len(live)))
            yield
        live.append(allocator.allocate(size))
        yield
    for address in live:
        allocator.free(address)
        yield


@given(SEQUENCES)
def test_what_holds_behind_every_step(sequence):
    """Requested <= allocated <= reserved <= its peak; segments are multiples of 2 MiB."""
    allocator = CachingAllocator()
    for _ in run(allocator, sequence):
        assert 0 <= allocator.requested_bytes <= allocator.allocated_bytes
        assert allocator.allocated_bytes <= allocator.reserved_bytes
        assert allocator.reserved_bytes <= allocator.peak_reserved_bytes
        assert allocator.allocated_bytes % 512 == 0
        assert allocator.reserved_bytes % (2 * MIB) == 0


@given(SEQUENCES)
def test_live_blocks_never_overlap(sequence):
    """No byte belongs to two live blocks, and every block holds what was asked for."""
    allocator = CachingAllocator()
    for _ in run(allocator, sequence):
        blocks = sorted((at, size, asked) for at, (_, size, asked) in allocator._live.items())
        assert all(at + size <= behind for (at, size, _), (behind, *_) in pairwise(blocks))
        assert all(asked <= size for _, size, asked in blocks)


def test_the_same_sequence_again_can_reserve_more():
    """Best fit is not optimal: 3, 16 and 10 MiB take 30 MiB, and freed and taken again 40 MiB.

    First 3 | 17 of 20 MiB and 10 MiB; then 3 | 7 of the 10, 16 | 4 of the 20, and 10 more.
    """
    sequence = [(3 * MIB, None), (16 * MIB, None), (10 * MIB, None)]
    allocator = CachingAllocator()
    reserved = []
    for _ in range(4):
        list(run(allocator, sequence))
        reserved.append(allocator.reserved_bytes // MIB)
    assert reserved == [30, 40, 40, 40]


@given(SEQUENCES)
def test_what_is_all_freed_can_all_be_given_back(sequence):
    """Behind the last block every segment is whole again."""
    allocator = CachingAllocator()
    list(run(allocator, sequence))
    allocator.empty_cache()
    assert (allocator.allocated_bytes, allocator.reserved_bytes) == (0, 0)


@given(st.lists(SIZES, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_requests_does_not_change_what_they_take_in_small_blocks(sizes, random):
    """Requests alone, nothing freed: the bytes of all small blocks are the same in any order."""
    small = [size for size in sizes if size <= MIB]
    expected = after(*small)[0].allocated_bytes
    random.shuffle(small)
    assert after(*small)[0].allocated_bytes == expected


class NeverJoins(rules._Pool):
    """A pool that keeps freed neighbours apart."""

    def put(self, address, size):
        self._by_size.append((size, address))
        self._by_size.sort()
        self._sizes[address] = size
        self._starts[address + size] = address


def test_an_allocator_that_never_joins_is_noticed(monkeypatch):
    """Planted fault: the segment of a freed pair stays cut in two and cannot be given back."""
    monkeypatch.setattr(rules, "_Pool", NeverJoins)
    allocator, addresses = after(5 * MIB, 5 * MIB)
    for address in addresses:
        allocator.free(address)
    allocator.empty_cache()
    assert allocator.reserved_bytes == 20 * MIB
