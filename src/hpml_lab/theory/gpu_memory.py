"""What a GPU adds to the bytes of a step's tensors, term by term.

    allocated   = tensors + rounding + workspace
    reserved    = allocated + cached
    device used = reserved + context

The terms come from a timeline of raw bytes that is replayed through the caching allocator. Not in
them: workspaces of cuDNN, which its heuristics choose when it runs, and code that libraries load
into the device later than the context (part of what a measurement shows as device used).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hpml_lab.theory.allocator import CachingAllocator
from hpml_lab.theory.scalars import whole
from hpml_lab.theory.timeline import Event, Timeline

_MEASURED_STEPS = 2
_COUNTER_BYTES = 4  # a float32 scalar


@dataclass(frozen=True)
class GpuMemory:
    """Bytes of a step that has run before, each term on its own.

    Attributes:
        tensors_bytes: the most raw bytes alive at once.
        rounding_bytes: what blocks are larger than the tensors in them, counters included.
        workspace_bytes: what the workspace of matrix products adds to the peak of any amount of
            memory.
        cached_bytes: held by the allocator beyond the peak of what is allocated.
        context_bytes: taken before the first tensor; None if it is not known.
    """

    tensors_bytes: int
    rounding_bytes: int
    workspace_bytes: int
    cached_bytes: int
    context_bytes: int | None = None

    @property
    def allocated_bytes(self) -> int:
        """What ``torch.cuda.max_memory_allocated`` will say."""
        return self.tensors_bytes + self.rounding_bytes + self.workspace_bytes

    @property
    def reserved_bytes(self) -> int:
        """What ``torch.cuda.max_memory_reserved`` will say."""
        return self.allocated_bytes + self.cached_bytes

    @property
    def device_used_bytes(self) -> int | None:
        """What ``nvidia-smi`` will say on a device with no other program."""
        return None if self.context_bytes is None else self.reserved_bytes + self.context_bytes


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The memory that cuBLAS is given for each matrix product.

    torch 2.15 allocates it for a product and frees it behind it. Older releases, and 2.15 with
    ``TORCH_CUBLAS_WORKSPACE_CACHE=1``, keep one for each thread: of the forward and of the
    backward pass. Source: `getCurrentCUDABlasHandleWithWorkspace` and `setWorkspaceForHandle` in
    aten/src/ATen/cuda/CublasHandlePool.cpp.

    Attributes:
        size_bytes: of one workspace, see `workspace_bytes`.
        layers: the paths of the layers that cuBLAS computes: linear ones, not convolutions.
        kept: whether it is allocated once for each pass and kept.
    """

    size_bytes: int
    layers: Collection[str]
    kept: bool = False


def workspace_bytes(capability: tuple[int, int]) -> int:
    """Returns the size of one cuBLAS workspace, in bytes, unless an environment variable sets it.

    Args:
        capability: the GPU's, such as (9, 0) for Hopper.

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
    """Returns what a step takes on a GPU.

    The step is taken three times, as on a GPU that was just started: the first time without the
    optimizer's state, which comes into being at its first update (every optimizer's but Adagrad's),
    where the passes left room. The peaks are those of the other two.

    Args:
        timeline: a step in raw bytes, with its state present. What it leaves behind, such as
            gradients, is freed when the next one begins.
        workspace: of cuBLAS; None to leave it out.
        context_bytes: what CUDA's context takes, measured; None if that is not known.
        counters: step counters on the GPU: one for each parameter tensor of a fused or capturable
            optimizer.
        capacity_bytes: what the allocator can reserve; None for any amount.

    Raises:
        MemoryLimitError: if the capacity does not hold the step.
    """
    full = plain = replayed(timeline, workspace, counters, capacity_bytes)
    if workspace is not None:
        plain = replayed(timeline, None, counters)
    tensors, allocated = timeline.peak_bytes, full.peak_allocated_bytes
    # Where memory is tight, blocks lie otherwise than in any amount of it, and closer.
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
    """Returns the allocator behind a step, with its peaks; all as `gpu_memory`.

    Raises:
        MemoryLimitError: if the capacity does not hold the step.
    """
    whole("counters", counters)
    allocator = CachingAllocator(capacity_bytes)
    blocks = _Blocks(allocator, workspace)
    categories = timeline.categories
    before = [event for event in timeline.events if event.phase == "before"]
    state = [event for event in before if categories[event.block] == "optimizer_state"]
    passes = [event for event in timeline.events if event.phase in ("forward", "backward")]
    update = [event for event in timeline.events if event.phase == "optimizer"]
    blocks.follow(event for event in before if categories[event.block] != "optimizer_state")
    blocks.follow(passes)
    blocks.follow(state)
    for _ in range(counters):
        allocator.allocate(_COUNTER_BYTES)
    blocks.follow(update)
    allocator.reset_peaks()
    step = passes + update
    for _ in range(_MEASURED_STEPS):
        blocks.let_go(sorted({event.block for event in step}))
        blocks.follow(step)
    return allocator


class _Blocks:
    """The live blocks of a timeline, by number."""

    def __init__(self, allocator: CachingAllocator, workspace: Workspace | None) -> None:
        self._allocator = allocator
        self._workspace = workspace
        self._kept: set[str] = set()
        self._addresses: dict[int, int] = {}

    def follow(self, events: Iterable[Event]) -> None:
        """Does what the events say."""
        for event in events:
            if event.change_bytes > 0:
                self._addresses[event.block] = self._allocator.allocate(event.change_bytes)
                self._multiply(event)
            else:
                self.let_go([event.block])

    def let_go(self, blocks: Iterable[int]) -> None:
        """Frees those of the blocks that are alive."""
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
