"""One training configuration."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from hpml_lab.errors import InputError, unknown
from hpml_lab.training.backends import DEVICES, MODES
from hpml_lab.training.cifar10 import SIDE
from hpml_lab.training.images import existing_folder
from hpml_lab.training.loader import PIPELINES, TRANSFORMS, check_batch
from hpml_lab.training.networks import LAB_WIDTH, check_network
from hpml_lab.training.optimizers import IMPLEMENTATIONS, OPTIMIZERS, SETTINGS, check_optimizer
from hpml_lab.training.workload import parse_setting

PRECISIONS = ("float32", "bfloat16")
MATMUL_PRECISIONS = ("highest", "high", "medium")
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def _option(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, kw_only=True)
class Training:
    """Configuration of a training run.

    Each field is an axis of `hpml_axes` and an option of ``hpml-lab train``, with its help text.

    Raises:
        InputError: for any value that is not allowed.
    """

    network: str = _option(
        "resnet18-cifar", "resnet18-cifar, or one of torchvision's: resnet50, ..."
    )
    width: int = _option(LAB_WIDTH, "Channels of the first stage of resnet18-cifar.")
    batch_norm: bool = _option(True, "Whether the network has batch norm.")
    data: str = _option("generated", "generated, download, or a folder that holds CIFAR-10.")
    images: int = _option(0, "Training images of an epoch, the first ones; 0 for all.")
    image: int = _option(SIDE, "Side of the images in pixels; they are resized to it.")
    pipeline: str = _option("lab", "lab (image by image), batched, or resident (on the device).")
    transforms: str = _option("lab", "lab (crop, flip, normalise) or plain (scaled to [0, 1]).")
    batch_size: int = _option(128, "Samples a step.")
    drop_last: bool = _option(False, "Whether a last, smaller batch is left out.")
    workers: int = _option(2, "Loader processes besides the main one.")
    persistent_workers: bool = _option(False, "Whether they live on from epoch to epoch.")
    pin_memory: bool = _option(False, "Whether batches lie in page-locked memory.")
    optimizer: str = _option("sgd-momentum", f"One of: {', '.join(OPTIMIZERS)}.")
    optimizer_settings: str = _option("lab", "lab (lr 0.1, weight decay 5e-4) or default.")
    optimizer_implementation: str = _option("default", f"One of: {', '.join(IMPLEMENTATIONS)}.")
    learning_rate: float = _option(0.0, "In place of that of the settings; 0 keeps it.")
    precision: str = _option("float32", "float32, or bfloat16 for autocast.")
    memory_format: str = _option("contiguous", "contiguous or channels_last.")
    compile_mode: str = _option("eager", f"One of: {', '.join(MODES)}.")
    device: str = _option("cpu", "cpu or cuda.")
    seed: int = _option(0, "Of the initial weights, the order of the images, the augmentation.")
    threads: int = _option(0, "Of an operator on the CPU; 0 for torch's own number.")
    float32_matmul_precision: str = _option(
        "highest", f"One of: {', '.join(MATMUL_PRECISIONS)} (TF32)."
    )
    cudnn_benchmark: bool = _option(False, "Whether cuDNN tries its kernels for each shape.")

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
        check_optimizer(self.optimizer, self.optimizer_implementation)
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
    "pipeline": PIPELINES,
    "transforms": TRANSFORMS,
    "optimizer": OPTIMIZERS,
    "optimizer_settings": SETTINGS,
    "optimizer_implementation": IMPLEMENTATIONS,
    "float32_matmul_precision": MATMUL_PRECISIONS,
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
