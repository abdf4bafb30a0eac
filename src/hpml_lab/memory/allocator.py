"""PyTorch's caching allocator for CUDA, simulated to the byte.

The driver allocates memory in segments; the allocator splits them into blocks and caches freed
blocks. So a program allocates more than it requests, and reserves more than it allocates. The
rules, for one stream and the default settings (no expandable segments), are those of
c10/cuda/CUDACachingAllocator.cpp in torch 2.11 to 2.15: `round_size`, `get_pool`,
`get_allocation_size`, `get_free_block` with `BlockComparatorSize`, `should_split`,
`alloc_found_block`, `free_block` with `try_merge_blocks`, and `release_cached_blocks` when the
device is full. The sizes are in c10/core/AllocatorConfig.h.

Among blocks of one size the one at the lowest address is taken. Where the driver places a segment
is not known; the simulation places each above the last one.
"""

from bisect import bisect_left, insort

from hpml_lab.errors import InputError, MemoryLimitError
from hpml_lab.theory.validation import check_int

BLOCK_BYTES = 512  # kMinBlockSize
SMALL_BYTES = 2**20  # kSmallSize: the largest block of the small pool
SMALL_SEGMENT_BYTES = 2 * 2**20  # kSmallBuffer
LARGE_SEGMENT_BYTES = 20 * 2**20  # large_segment_size()
OWN_SEGMENT_BYTES = 10 * 2**20  # kMinLargeAlloc: such a block or a larger one gets its own segment
SEGMENT_STEP_BYTES = 2 * 2**20  # kRoundLarge


def block_bytes(size_bytes: int) -> int:
    """Returns the size of the block for a request: the next multiple of 512 bytes."""
    return _round_up(max(size_bytes, 1), BLOCK_BYTES)


def segment_bytes(size_bytes: int) -> int:
    """Returns the size of the segment that is allocated for a block without a free fit."""
    if size_bytes <= SMALL_BYTES:
        return SMALL_SEGMENT_BYTES
    if size_bytes < OWN_SEGMENT_BYTES:
        return LARGE_SEGMENT_BYTES
    return _round_up(size_bytes, SEGMENT_STEP_BYTES)


class CachingAllocator:
    """Allocates and frees blocks as PyTorch does on a GPU.

    Args:
        capacity_bytes: Memory of the driver; None for no limit.

    Attributes:
        requested_bytes: Requested bytes that are alive.
        allocated_bytes: Bytes of live blocks, as ``torch.cuda.memory_allocated``.
        reserved_bytes: Bytes of segments, as ``torch.cuda.memory_reserved``.
        peak_allocated_bytes: Peak of `allocated_bytes` since `reset_peaks`.
        peak_reserved_bytes: Peak of `reserved_bytes` since `reset_peaks`.
    """

    def __init__(self, capacity_bytes: int | None = None) -> None:
        self.requested_bytes = self.allocated_bytes = self.reserved_bytes = 0
        self.peak_allocated_bytes = self.peak_reserved_bytes = 0
        self._capacity_bytes = capacity_bytes
        self._small = _Pool(BLOCK_BYTES)
        self._large = _Pool(SMALL_BYTES + 1)
        self._live: dict[int, tuple[_Pool, int, int]] = {}
        self._segments: dict[int, int] = {}
        self._next_segment = SEGMENT_STEP_BYTES

    def allocate(self, size_bytes: int) -> int:
        """Returns the address of a new block.

        Args:
            size_bytes: At least 1; PyTorch requests no memory for an empty tensor.

        Raises:
            InputError: for a size below 1.
            MemoryLimitError: if no segment fits, also after all segments without a live block are
                released.
        """
        size = block_bytes(check_int("size_bytes", size_bytes, 1))
        pool = self._small if size <= SMALL_BYTES else self._large
        address, available = pool.take(size) or self._grow(size)
        if available - size >= pool.least_remainder_bytes:
            pool.put(address + size, available - size)
            available = size
        self._live[address] = (pool, available, size_bytes)
        self._count(size_bytes, available)
        return address

    def free(self, address: int) -> None:
        """Frees a block, and merges it with free neighbours in its segment.

        Raises:
            InputError: for an address at which no live block begins.
        """
        if address not in self._live:
            raise InputError(f"address is {address}; it must be one that allocate returned, once")
        pool, size, size_bytes = self._live.pop(address)
        pool.put(address, size)
        self._count(-size_bytes, -size)

    def reset_peaks(self) -> None:
        """Resets the peaks to the current values."""
        self.peak_allocated_bytes = self.allocated_bytes
        self.peak_reserved_bytes = self.reserved_bytes

    def empty_cache(self) -> None:
        """Releases every segment that has no live block to the driver."""
        for pool in (self._large, self._small):
            for address, size in pool.whole_segments(self._segments):
                pool.remove(address, size)
                self.reserved_bytes -= self._segments.pop(address)

    def _count(self, requested: int, allocated: int) -> None:
        self.requested_bytes += requested
        self.allocated_bytes += allocated
        self.peak_allocated_bytes = max(self.peak_allocated_bytes, self.allocated_bytes)

    def _grow(self, size: int) -> tuple[int, int]:
        segment = segment_bytes(size)
        if not self._fits(segment):
            self.empty_cache()
        if not self._fits(segment):
            raise MemoryLimitError(
                f"out of memory: tried to allocate {segment} bytes, {self.reserved_bytes} of "
                f"{self._capacity_bytes} bytes are reserved; take a smaller batch"
            )
        address = self._next_segment
        # A gap, so that no block has a neighbour in another segment.
        self._next_segment += segment + SEGMENT_STEP_BYTES
        self._segments[address] = segment
        self.reserved_bytes += segment
        self.peak_reserved_bytes = max(self.peak_reserved_bytes, self.reserved_bytes)
        return address, segment

    def _fits(self, segment: int) -> bool:
        capacity = self._capacity_bytes
        return capacity is None or self.reserved_bytes + segment <= capacity


class _Pool:
    """Free blocks, by size and then by address.

    Attributes:
        least_remainder_bytes: Smallest remainder of a block that is split off as free.
    """

    def __init__(self, least_remainder_bytes: int) -> None:
        self.least_remainder_bytes = least_remainder_bytes
        self._by_size: list[tuple[int, int]] = []
        self._sizes: dict[int, int] = {}
        self._starts: dict[int, int] = {}  # by the end address of the block

    def take(self, size: int) -> tuple[int, int] | None:
        """Removes the best fit and returns its address and size; None if nothing fits."""
        index = bisect_left(self._by_size, (size, 0))
        if index == len(self._by_size):
            return None
        available, address = self._by_size[index]
        self.remove(address, available)
        return address, available

    def put(self, address: int, size: int) -> None:
        """Adds a free block, merged with its free neighbours."""
        before, after = self._starts.get(address), address + size
        if after in self._sizes:
            size += self.remove(after, self._sizes[after])
        if before is not None:
            size += self.remove(before, address - before)
            address = before
        insort(self._by_size, (size, address))
        self._sizes[address] = size
        self._starts[address + size] = address

    def remove(self, address: int, size: int) -> int:
        """Removes a free block; returns its size."""
        del self._by_size[bisect_left(self._by_size, (size, address))]
        del self._sizes[address]
        del self._starts[address + size]
        return size

    def whole_segments(self, segments: dict[int, int]) -> list[tuple[int, int]]:
        """Returns address and size of each free block that fills its segment."""
        return [block for block in self._sizes.items() if segments.get(block[0]) == block[1]]


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step
