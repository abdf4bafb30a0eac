"""Whether a step fits into a GPU: predicted bytes against the memory of the GPU."""

from collections.abc import Collection
from dataclasses import dataclass

from hpml_lab.errors import InputError, MemoryLimitError, unknown
from hpml_lab.memory.gpu import GpuMemory, Workspace, gpu_memory, replayed
from hpml_lab.memory.timeline import Timeline
from hpml_lab.theory.validation import check_int
from hpml_lab.units import GIB, MIB, mebibytes


@dataclass(frozen=True, kw_only=True)
class Device:
    """Memory of a GPU.

    Attributes:
        memory_bytes: Memory that a program can use, its context included; None if unknown.
        workspace_bytes: Workspace of one matrix product, see `gpu.workspace_bytes`; None to
            leave it out.
        context_bytes: Size of CUDA's context; None to leave it out.
        margin: Share of the memory to keep free, in [0, 1).
        convolution_bytes: Largest cuDNN workspace that a probe measured in the lab's network;
            reported but not counted, since it depends on the network. None without a probe.

    Raises:
        InputError: for sizes below 0 or a margin outside [0, 1).
    """

    memory_bytes: int | None = None
    workspace_bytes: int | None = None
    context_bytes: int | None = None
    margin: float = 0.0
    convolution_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("memory_bytes", "workspace_bytes", "context_bytes"):
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), 0)
        if not 0 <= self.margin < 1:
            raise InputError(f"margin is {self.margin}; it must be a share of 0 or more, below 1")

    @property
    def capacity_bytes(self) -> int | None:
        """Bytes that the allocator can reserve; None for no limit."""
        if self.memory_bytes is None:
            return None
        return max(0, int(self.memory_bytes * (1 - self.margin)) - (self.context_bytes or 0))

    @property
    def known_bytes(self) -> int:
        """Bytes that the allocator can reserve.

        Raises:
            InputError: if the memory is unknown.
        """
        if self.capacity_bytes is None:
            raise InputError("the device's memory is not known, so no batch is the largest")
        return self.capacity_bytes

    @property
    def left_out(self) -> list[str]:
        """Memory of a GPU that is not counted, one phrase per term."""
        terms = ["workspaces that cuDNN chooses when it runs"]
        if self.convolution_bytes is not None:
            seen = mebibytes(self.convolution_bytes)
            terms[0] += f" (up to {seen} each in the lab's network here)"
        if self.workspace_bytes is None:
            terms.append("the workspace of matrix products")
        if self.context_bytes is None:
            terms.append("CUDA's context")
        return terms


@dataclass(frozen=True)
class Fit:
    """Predicted memory of a step on a device.

    Attributes:
        device: The device.
        gpu: Bytes of the step by term: with the device's capacity if it fits, else without a limit.
        fits: Whether the step fits; None if the device's memory is unknown.
    """

    device: Device
    gpu: GpuMemory
    fits: bool | None

    @property
    def needed_bytes(self) -> int:
        """Reserved bytes, and the context if known."""
        return self.gpu.reserved_bytes + (self.device.context_bytes or 0)


@dataclass(frozen=True)
class Way:
    """A change to a training that reduces its memory.

    Attributes:
        name: Description of the change.
        fit: Fit of the changed step.
        changes_numbers: Whether it changes the numerical results.
    """

    name: str
    fit: Fit
    changes_numbers: bool = False


def fit(
    timeline: Timeline, device: Device, *, products: Collection[str] = (), counters: int = 0
) -> Fit:
    """Returns the memory of a step on a device, and whether it fits.

    Args:
        timeline: Timeline of the step in raw bytes.
        device: The device.
        products: Paths of the layers whose matrix products have a workspace.
        counters: Number of step counters on the GPU, see `gpu`.
    """
    workspace = _workspace(device, products)

    def within(capacity_bytes: int | None) -> GpuMemory:
        return gpu_memory(
            timeline,
            workspace=workspace,
            context_bytes=device.context_bytes,
            counters=counters,
            capacity_bytes=capacity_bytes,
        )

    if device.capacity_bytes is None:
        return Fit(device, within(None), None)
    try:
        return Fit(device, within(device.capacity_bytes), fits=True)
    except MemoryLimitError:
        return Fit(device, within(None), fits=False)


def fits(
    timeline: Timeline, device: Device, *, products: Collection[str] = (), counters: int = 0
) -> bool:
    """Whether a step fits into a device; faster than `fit`.

    Raises:
        InputError: if the memory is unknown.
    """
    try:
        replayed(timeline, _workspace(device, products), counters, device.known_bytes)
    except MemoryLimitError:
        return False
    return True


def _workspace(device: Device, products: Collection[str]) -> Workspace | None:
    size = device.workspace_bytes
    return None if size is None else Workspace(size_bytes=size, layers=products)


@dataclass(frozen=True)
class Card:
    """A GPU model.

    Attributes:
        memory_bytes: Total memory that a program sees, before CUDA's context.
        capability: Compute capability.
        source: Source of the memory size.
    """

    memory_bytes: int
    capability: tuple[int, int]
    source: str


def _gib(size: float, capability: tuple[int, int], source: str) -> Card:
    return Card(int(size * GIB), capability, source)


def _mib(size: int, capability: tuple[int, int], source: str) -> Card:
    return Card(size * MIB, capability, source)


_PROPERTIES = "total_memory of torch.cuda.get_device_properties"

CARDS = {
    "T4": _gib(14.56, (7, 5), "Zheng-Chong/CatVTON #133"),
    "P100 16GB": _mib(16280, (6, 0), _PROPERTIES),
    "V100 16GB": _gib(15.78, (7, 0), "kchengiva/Shift-GCN #34"),
    "V100 32GB": _gib(31.74, (7, 0), "liucongg/ChatGLM-Finetuning #73"),
    "A10G": _mib(22587, (8, 6), _PROPERTIES),
    "A30": _gib(23.50, (8, 0), "LHRLAB/ChatKBQA #2"),
    "A40": _mib(45416, (8, 6), _PROPERTIES),
    "A100 40GB": _gib(39.39, (8, 0), "bottlerocket-os/bottlerocket #3873"),
    "A100 80GB": _gib(79.15, (8, 0), "ekondis/mixbench #47"),
    "L40S": _gib(44.42, (8, 9), "stepfun-ai/Step-Video-T2V #8"),
    "H100 80GB": _gib(79.11, (9, 0), "vllm-project/vllm #27508"),
    "H200": _mib(143156, (9, 0), _PROPERTIES),
    "B200": _gib(178.35, (10, 0), "unslothai/unsloth #3411"),
    "RTX 2080 Ti": _gib(10.76, (7, 5), "JDAI-CV/image-captioning #11"),
    "RTX 3060 12GB": _gib(11.75, (8, 6), "Kunhao-Liu/StyleGaussian #12"),
    "RTX 3080 10GB": _gib(9.78, (8, 6), "zai-org/CogVideo #34"),
    "RTX 3090": _gib(23.68, (8, 6), "LambdaLabsML/examples #48"),
    "RTX 4070": _mib(11994, (8, 9), _PROPERTIES),
    "RTX 4080": _mib(16049, (8, 9), _PROPERTIES),
    "RTX 4090": _gib(23.52, (8, 9), "Soul-AILab/SoulX-FlashTalk #5"),
    "RTX 5090": _mib(32117, (12, 0), "aikitoria/open-gpu-kernel-modules #1"),
    "Quadro RTX 8000": _gib(47.46, (7, 5), "Victarry/stable-dreambooth #8"),
    "RTX A6000": _mib(48676, (8, 6), _PROPERTIES),
    "RTX 6000 Ada": _gib(44.43, (8, 9), "DINGYANB/MTVCrafter #21"),
}
_FAMILIES = ("nvidia", "tesla", "geforce")


def card(name: str) -> Card:
    """Returns a GPU model by name; case and a prefix NVIDIA, Tesla or GeForce are ignored.

    Raises:
        InputError: for an unknown name.
    """
    known = {_plain(model): model for model in CARDS}
    if _plain(name) in known:
        return CARDS[known[_plain(name)]]
    raise unknown("GPU", name, CARDS)


def _plain(name: str) -> str:
    return "".join(word for word in name.lower().split() if word not in _FAMILIES)
