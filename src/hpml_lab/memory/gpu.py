"""Memory of a step on a GPU: tensors, rounding, workspaces, cache and context.

    allocated   = tensors + rounding + workspace
    reserved    = allocated + cached
    device used = reserved + context

The terms come from a timeline of raw bytes that is replayed through the caching allocator. Not
included: workspaces of cuDNN, which its heuristics choose at run time, and code that libraries load
onto the device after the context (part of the measured device used).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hpml_lab.memory.allocator import CachingAllocator
from hpml_lab.memory.timeline import Event, Timeline
from hpml_lab.theory.validation import check_int

_MEASURED_STEPS = 2
_COUNTER_BYTES = 4  # a float32 scalar


@dataclass(frozen=True)
class GpuMemory:
    """Bytes of a step that is not the first, by term.

    Attributes:
        tensors_bytes: Peak of raw live bytes.
        rounding_bytes: Difference between blocks and the tensors in them, counters included.
        workspace_bytes: Growth of the peak by the workspace of matrix products, without a memory
            limit.
        cached_bytes: Peak of reserved minus peak of allocated bytes.
        context_bytes: Memory in use before the first tensor; None if unknown.
    """

    tensors_bytes: int
    rounding_bytes: int
    workspace_bytes: int
    cached_bytes: int
    context_bytes: int | None = None

    @property
    def allocated_bytes(self) -> int:
        """Predicted ``torch.cuda.max_memory_allocated``."""
        return self.tensors_bytes + self.rounding_bytes + self.workspace_bytes

    @property
    def reserved_bytes(self) -> int:
        """Predicted ``torch.cuda.max_memory_reserved``."""
        return self.allocated_bytes + self.cached_bytes

    @property
    def device_used_bytes(self) -> int | None:
        """Predicted memory in ``nvidia-smi`` on a device without other processes."""
        return None if self.context_bytes is None else self.reserved_bytes + self.context_bytes


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The workspace of cuBLAS for matrix products.

    torch 2.15 allocates it for a product and frees it after the product. Older releases, and 2.15
    with ``TORCH_CUBLAS_WORKSPACE_CACHE=1``, keep one per thread: of the forward and of the backward
    pass. Source: `getCurrentCUDABlasHandleWithWorkspace` and `setWorkspaceForHandle` in
    aten/src/ATen/cuda/CublasHandlePool.cpp.

    Attributes:
        size_bytes: Size of one workspace, see `workspace_bytes`.
        layers: Paths of the layers that cuBLAS computes: linear ones, not convolutions.
        kept: Whether it is allocated once per pass and kept.
    """

    size_bytes: int
    layers: Collection[str]
    kept: bool = False


def workspace_bytes(capability: tuple[int, int]) -> int:
    """Returns the size of one cuBLAS workspace, in bytes, unless an environment variable sets it.

    Args:
        capability: Compute capability, such as (9, 0) for Hopper.

    Source: `parseChosenWorkspaceSize` in aten/src/ATen/cuda/CublasHandlePool.cpp: 32 MiB for
    Hopper and for Blackwell, two of 4 MiB and eight of 16 KiB for others.
    """
    return 32 * 2**20 if 9 <= capability[0] <= 12 else 2 * 4 * 2**20 + 8 * 16 * 2**10


def gpu_memory(
    timeline: Timeline,
    *,
    workspace: Workspace | None = None,
    context_bytes: int | None = None,
    counters: int = 0,
    capacity_bytes: int | None = None,
) -> GpuMemory:
    """Returns the memory of a step on a GPU.

    The step is replayed three times, with an empty allocator at first: the first time without the
    optimizer's state, which is allocated at the first update (for every optimizer but Adagrad),
    in blocks that the passes have freed. The peaks are those of the other two.

    Args:
        timeline: Timeline of a step in raw bytes, with its state present. Blocks that it leaves
            alive, such as gradients, are freed when the next step begins.
        workspace: Workspace of cuBLAS; None to leave it out.
        context_bytes: Measured size of CUDA's context; None if unknown.
        counters: Number of step counters on the GPU: one per parameter tensor of a fused or
            capturable optimizer.
        capacity_bytes: Bytes that the allocator can reserve; None for no limit.

    Raises:
        MemoryLimitError: if the step does not fit into the capacity.
    """
    full = plain = replayed(timeline, workspace, counters, capacity_bytes)
    if workspace is not None:
        plain = replayed(timeline, None, counters)
    tensors, allocated = timeline.peak_bytes, full.peak_allocated_bytes
    # With a tight capacity, blocks are placed differently than without a limit, and closer.
    added = max(0, allocated - plain.peak_allocated_bytes)
    return GpuMemory(
        tensors_bytes=tensors,
        rounding_bytes=allocated - tensors - added,
        workspace_bytes=added,
        cached_bytes=full.peak_reserved_bytes - allocated,
        context_bytes=context_bytes,
    )


def replayed(
    timeline: Timeline,
    workspace: Workspace | None = None,
    counters: int = 0,
    capacity_bytes: int | None = None,
) -> CachingAllocator:
    """Returns the allocator after the replayed steps, with its peaks; arguments as `gpu_memory`.

    Raises:
        MemoryLimitError: if the step does not fit into the capacity.
    """
    check_int("counters", counters)
    allocator = CachingAllocator(capacity_bytes)
    blocks = _Blocks(allocator, workspace)
    categories = timeline.categories
    before = [event for event in timeline.events if event.phase == "before"]
    state = [event for event in before if categories[event.block] == "optimizer_state"]
    passes = [event for event in timeline.events if event.phase in ("forward", "backward")]
    update = [event for event in timeline.events if event.phase == "optimizer"]
    blocks.replay(event for event in before if categories[event.block] != "optimizer_state")
    blocks.replay(passes)
    blocks.replay(state)
    for _ in range(counters):
        allocator.allocate(_COUNTER_BYTES)
    blocks.replay(update)
    allocator.reset_peaks()
    step = passes + update
    for _ in range(_MEASURED_STEPS):
        blocks.release(sorted({event.block for event in step}))
        blocks.replay(step)
    return allocator


class _Blocks:
    """The live blocks of a timeline, by number."""

    def __init__(self, allocator: CachingAllocator, workspace: Workspace | None) -> None:
        self._allocator = allocator
        self._workspace = workspace
        self._kept: set[str] = set()
        self._addresses: dict[int, int] = {}

    def replay(self, events: Iterable[Event]) -> None:
        """Allocates and frees blocks as the events say."""
        for event in events:
            if event.change_bytes > 0:
                self._addresses[event.block] = self._allocator.allocate(event.change_bytes)
                self._multiply(event)
            else:
                self.release([event.block])

    def release(self, blocks: Iterable[int]) -> None:
        """Frees the given blocks that are alive."""
        for block in blocks:
            if block in self._addresses:
                self._allocator.free(self._addresses.pop(block))

    def _multiply(self, event: Event) -> None:
        workspace = self._workspace
        if workspace is None or event.layer not in workspace.layers or event.phase in self._kept:
            return
        address = self._allocator.allocate(workspace.size_bytes)
        if workspace.kept:
            self._kept.add(event.phase)
        else:
            self._allocator.free(address)
