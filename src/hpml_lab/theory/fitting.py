"""Whether a step fits into a GPU: all that is counted, against the memory that is there."""

from collections.abc import Collection
from dataclasses import dataclass

from hpml_lab.errors import InputError, MemoryLimitError
from hpml_lab.theory.gpu_memory import GpuMemory, Workspace, gpu_memory, replayed
from hpml_lab.theory.scalars import whole
from hpml_lab.theory.timeline import Timeline
from hpml_lab.units import mebibytes


@dataclass(frozen=True, kw_only=True)
class Device:
    """A GPU, as far as memory is concerned.

    Attributes:
        memory_bytes: that a program can use, its context included; None if it is not known.
        workspace_bytes: of one matrix product, see `gpu_memory.workspace_bytes`; None to leave it
            out.
        context_bytes: what CUDA's context takes; None to leave it out.
        margin: share of the memory to be kept free, in [0, 1).
        convolution_bytes: the largest workspace of cuDNN that a probe saw in the lab's network; it
            is told and not counted, as another network has others. None if there was no probe.

    Raises:
        InputError: for sizes below 0 or a margin that is no such share.
    """

    memory_bytes: int | None = None
    workspace_bytes: int | None = None
    context_bytes: int | None = None
    margin: float = 0.0
    convolution_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("memory_bytes", "workspace_bytes", "context_bytes"):
            if getattr(self, name) is not None:
                whole(name, getattr(self, name), 0)
        if not 0 <= self.margin < 1:
            raise InputError(f"margin is {self.margin}; it must be a share of 0 or more, below 1")

    @property
    def capacity_bytes(self) -> int | None:
        """What the allocator can reserve; None for any amount."""
        if self.memory_bytes is None:
            return None
        return max(0, int(self.memory_bytes * (1 - self.margin)) - (self.context_bytes or 0))

    @property
    def known_bytes(self) -> int:
        """What the allocator can reserve.

        Raises:
            InputError: if the memory is not known.
        """
        if self.capacity_bytes is None:
            raise InputError("the device's memory is not known, so no batch is the largest")
        return self.capacity_bytes

    @property
    def left_out(self) -> list[str]:
        """What a GPU takes besides, and is not counted."""
        found = ["workspaces that cuDNN chooses when it runs"]
        if self.convolution_bytes is not None:
            seen = mebibytes(self.convolution_bytes)
            found[0] += f" (up to {seen} each in the lab's network here)"
        if self.workspace_bytes is None:
            found.append("the workspace of matrix products")
        if self.context_bytes is None:
            found.append("CUDA's context")
        return found


@dataclass(frozen=True)
class Fit:
    """A step on a device.

    Attributes:
        device: the device.
        gpu: bytes of the step, term by term: within the device's memory where it fits, as on one of
            any size where not.
        fits: whether it does; None if the device's memory is not known.
    """

    device: Device
    gpu: GpuMemory
    fits: bool | None

    @property
    def needed_bytes(self) -> int:
        """All that is counted: reserved, and the context if it is known."""
        return self.gpu.reserved_bytes + (self.device.context_bytes or 0)


@dataclass(frozen=True)
class Way:
    """A change of a training that needs less memory.

    Attributes:
        name: what to do, in words.
        fit: of the step then.
        changes_numbers: whether it computes something else than before.
    """

    name: str
    fit: Fit
    changes_numbers: bool = False


def fit(
    timeline: Timeline, device: Device, *, products: Collection[str] = (), counters: int = 0
) -> Fit:
    """Returns what a step takes on a device, and whether that is there.

    Args:
        timeline: the step in raw bytes.
        device: the device.
        products: paths of the layers whose matrix products have a workspace.
        counters: step counters on the GPU, see `gpu_memory`.
    """
    workspace = _workspace(device, products)

    def taken(capacity_bytes: int | None) -> GpuMemory:
        return gpu_memory(
            timeline,
            workspace=workspace,
            context_bytes=device.context_bytes,
            counters=counters,
            capacity_bytes=capacity_bytes,
        )

    if device.capacity_bytes is None:
        return Fit(device, taken(None), None)
    try:
        return Fit(device, taken(device.capacity_bytes), fits=True)
    except MemoryLimitError:
        return Fit(device, taken(None), fits=False)


def fits(
    timeline: Timeline, device: Device, *, products: Collection[str] = (), counters: int = 0
) -> bool:
    """Returns whether a device holds a step: what `fit` says, in less time.

    Raises:
        InputError: if the memory is not known.
    """
    try:
        replayed(timeline, _workspace(device, products), counters, device.known_bytes)
    except MemoryLimitError:
        return False
    return True


def _workspace(device: Device, products: Collection[str]) -> Workspace | None:
    size = device.workspace_bytes
    return None if size is None else Workspace(size_bytes=size, layers=products)
