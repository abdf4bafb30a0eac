"""Graphics cards by name: the memory that a program finds on them, and their compute capability.

Not what is advertised: what PyTorch said a card has ("GPU 0 has a total capacity of 79.11 GiB", or
`torch.cuda.get_device_properties`), in public reports, the smallest one seen of each card. It
depends on driver and ECC. Capabilities: NVIDIA's list of CUDA GPUs.
"""

from dataclasses import dataclass

from hpml_lab.errors import unknown
from hpml_lab.units import GIB, MIB


@dataclass(frozen=True)
class Card:
    """A graphics card.

    Attributes:
        memory_bytes: that a program finds, before CUDA's context.
        capability: the compute capability.
        source: of the memory.
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
    """Returns a card by its name, in any case, with or without NVIDIA, Tesla or GeForce in front.

    Raises:
        InputError: for a name that none or several have.
    """
    known = {_plain(each): each for each in CARDS}
    if _plain(name) in known:
        return CARDS[known[_plain(name)]]
    raise unknown("GPU", name, CARDS)


def _plain(name: str) -> str:
    return "".join(word for word in name.lower().split() if word not in _FAMILIES)
