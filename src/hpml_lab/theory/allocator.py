"""PyTorch's caching allocator for CUDA, simulated to the byte.

A GPU's driver gives memory in segments; the allocator cuts them into blocks and keeps what is
freed. So a program allocates more than it asked for, and reserves more than it allocates. The
rules, for one stream and the default settings (no expandable segments), are those of
c10/cuda/CUDACachingAllocator.cpp in torch 2.11 to 2.15: `round_size`, `get_pool`,
`get_allocation_size`, `get_free_block` with `BlockComparatorSize`, `should_split`,
`alloc_found_block`, `free_block` with `try_merge_blocks`, and `release_cached_blocks` when the
device is full. The sizes stand in c10/core/AllocatorConfig.h.

Of blocks of one size the one at the lowest address is taken. Where the driver puts a segment is
not known; here each lies above the one before.
"""

from bisect import bisect_left, insort

from hpml_lab.errors import InputError, MemoryLimitError
from hpml_lab.theory.scalars import whole

BLOCK_BYTES = 512  # kMinBlockSize
SMALL_BYTES = 2**20  # kSmallSize: the largest block of the pool for small ones
SMALL_SEGMENT_BYTES = 2 * 2**20  # kSmallBuffer
LARGE_SEGMENT_BYTES = 20 * 2**20  # large_segment_size()
OWN_SEGMENT_BYTES = 10 * 2**20  # kMinLargeAlloc: from here on a block has a segment of its own
SEGMENT_STEP_BYTES = 2 * 2**20  # kRoundLarge


def block_bytes(size_bytes: int) -> int:
    """Returns the least block that holds a size: a multiple of 512 bytes."""
    return _round_up(max(size_bytes, 1), BLOCK_BYTES)


def segment_bytes(size_bytes: int) -> int:
    """Returns what is asked of the driver for a block that no free one can serve."""
    if size_bytes <= SMALL_BYTES:
        return SMALL_SEGMENT_BYTES
    if size_bytes < OWN_SEGMENT_BYTES:
        return LARGE_SEGMENT_BYTES
    return _round_up(size_bytes, SEGMENT_STEP_BYTES)


class CachingAllocator:
    """Serves and frees blocks as PyTorch does on a GPU.

    Args:
        capacity_bytes: what the driver can give; None for as much as is asked.

    Attributes:
        requested_bytes: asked for and alive.
        allocated_bytes: of live blocks; what ``torch.cuda.memory_allocated`` says.
        reserved_bytes: of segments; what ``torch.cuda.memory_reserved`` says.
        peak_allocated_bytes: the most of `allocated_bytes` since `reset_peaks`.
        peak_reserved_bytes: the most of `reserved_bytes` since `reset_peaks`.
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
            size_bytes: at least 1; PyTorch asks for no memory for an empty tensor.

        Raises:
            InputError: for a size below 1.
            MemoryLimitError: if the driver cannot give a segment for it, also after all segments
                without a live block went back.
        """
        size = block_bytes(whole("size_bytes", size_bytes, 1))
        pool = self._small if size <= SMALL_BYTES else self._large
        address, found = pool.take(size) or self._grow(size)
        if found - size >= pool.least_remainder_bytes:
            pool.put(address + size, found - size)
            found = size
        self._live[address] = (pool, found, size_bytes)
        self._count(size_bytes, found)
        return address

    def free(self, address: int) -> None:
        """Takes a block back, and joins it with free neighbours of its segment.

        Raises:
            InputError: for an address at which no live block begins.
        """
        if address not in self._live:
            raise InputError(f"address is {address}; it must be one that allocate returned, once")
        pool, size, size_bytes = self._live.pop(address)
        pool.put(address, size)
        self._count(-size_bytes, -size)

    def reset_peaks(self) -> None:
        """Starts new peaks at the present values."""
        self.peak_allocated_bytes = self.allocated_bytes
        self.peak_reserved_bytes = self.reserved_bytes

    def empty_cache(self) -> None:
        """Gives the driver every segment back that has no live block."""
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
        least_remainder_bytes: the smallest rest of a block that is cut off and kept free.
    """

    def __init__(self, least_remainder_bytes: int) -> None:
        self.least_remainder_bytes = least_remainder_bytes
        self._by_size: list[tuple[int, int]] = []
        self._sizes: dict[int, int] = {}
        self._starts: dict[int, int] = {}  # by the address behind the block

    def take(self, size: int) -> tuple[int, int] | None:
        """Returns address and size of the best fit, no longer free; None if nothing fits."""
        index = bisect_left(self._by_size, (size, 0))
        if index == len(self._by_size):
            return None
        found, address = self._by_size[index]
        self.remove(address, found)
        return address, found

    def put(self, address: int, size: int) -> None:
        """Makes a block free, joined with its free neighbours."""
        before, behind = self._starts.get(address), address + size
        if behind in self._sizes:
            size += self.remove(behind, self._sizes[behind])
        if before is not None:
            size += self.remove(before, address - before)
            address = before
        insort(self._by_size, (size, address))
        self._sizes[address] = size
        self._starts[address + size] = address

    def remove(self, address: int, size: int) -> int:
        """Forgets a free block; returns its size."""
        del self._by_size[bisect_left(self._by_size, (size, address))]
        del self._sizes[address]
        del self._starts[address + size]
        return size

    def whole_segments(self, segments: dict[int, int]) -> list[tuple[int, int]]:
        """Returns address and size of each free block that is a segment of its own."""
        return [block for block in self._sizes.items() if segments.get(block[0]) == block[1]]


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step
