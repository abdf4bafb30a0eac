"""One training configuration."""

import math
from dataclasses import dataclass, fields

import torch

from hpml_lab.errors import InputError, unknown
from hpml_lab.workloads.cifar10 import SIDE
from hpml_lab.workloads.compilation import MODES
from hpml_lab.workloads.devices import DEVICES
from hpml_lab.workloads.images import existing_folder
from hpml_lab.workloads.loading import TRANSFORMS, check_batch
from hpml_lab.workloads.networks import LAB_WIDTH, check_network
from hpml_lab.workloads.optimizers import OPTIMIZERS, SETTINGS
from hpml_lab.workloads.settings import parse_setting

PRECISIONS = ("float32", "bfloat16")
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True, kw_only=True)
class Training:
    """Everything that decides what a training run does and how fast it can be.

    Attributes:
        network: a name that `networks.build_network` knows.
        width: channels of the first stage of the CIFAR ResNet.
        batch_norm: whether the network has batch norm.
        data: ``generated``, ``download`` or a folder that holds CIFAR-10.
        images: how many training images an epoch has, the first ones; 0 for all.
        image: side of the images in pixels; they are resized to it.
        transforms: ``lab`` (crop, flip, normalise) or ``plain`` (to float in [0, 1] alone).
        batch_size: samples a step.
        drop_last: whether a last, smaller batch is left out.
        workers: loader processes besides the main one.
        persistent_workers: whether they live on from epoch to epoch.
        pin_memory: whether batches lie in page-locked memory.
        optimizer: one of `optimizers.OPTIMIZERS`.
        optimizer_settings: ``lab`` or ``default``.
        learning_rate: in place of that of the settings; 0 keeps it.
        precision: ``float32``, or ``bfloat16`` for autocast.
        memory_format: ``contiguous`` or ``channels_last``.
        compile_mode: one of `compilation.MODES`.
        device: ``cpu`` or ``cuda``.
        seed: of the initial weights, the order of the images and the augmentation.
        threads: that torch uses within an operator on the CPU; 0 for torch's own number.

    Raises:
        InputError: for any value that is not allowed.
    """

    network: str = "resnet18-cifar"
    width: int = LAB_WIDTH
    batch_norm: bool = True
    data: str = "generated"
    images: int = 0
    image: int = SIDE
    transforms: str = "lab"
    batch_size: int = 128
    drop_last: bool = False
    workers: int = 2
    persistent_workers: bool = False
    pin_memory: bool = False
    optimizer: str = "sgd-momentum"
    optimizer_settings: str = "lab"
    learning_rate: float = 0.0
    precision: str = "float32"
    memory_format: str = "contiguous"
    compile_mode: str = "eager"
    device: str = "cpu"
    seed: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise InputError(f"{name} {getattr(self, name)} is too small; give {least} or more")
        if not math.isfinite(self.learning_rate):
            raise InputError(f"learning_rate {self.learning_rate} is not a finite number")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise unknown(name, getattr(self, name), allowed)
        if self.images:
            check_batch(self.batch_size, self.images)
        check_network(self.network, self.width, self.batch_norm)
        if self.data not in {"generated", "download"}:
            existing_folder(self.data)


_LEAST = {
    "images": 0,
    "image": 1,
    "batch_size": 1,
    "workers": 0,
    "learning_rate": 0,
    "seed": 0,
    "threads": 0,
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "transforms": TRANSFORMS,
    "optimizer": OPTIMIZERS,
    "optimizer_settings": SETTINGS,
    "precision": PRECISIONS,
    "memory_format": tuple(MEMORY_FORMATS),
    "compile_mode": MODES,
    "device": DEVICES,
}


def parse_field(name: str, text: str) -> int | float | bool | str:
    """Returns the value of one field of `Training` from its text.

    Raises:
        InputError: for an unknown field, or a text that is not of the field's type.
    """
    defaults = {field.name: field.default for field in fields(Training)}
    if name not in defaults:
        raise unknown("axis", name, defaults)
    value: int | float | bool | str = parse_setting(name, text, defaults[name])
    return value
