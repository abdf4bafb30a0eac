"""Networks by name: the lab's ResNet-18 with the CIFAR stem, and torchvision's classifiers."""

import difflib
from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from hpml_lab.errors import InputError

CIFAR_RESNET = "resnet18-cifar"
LAB_WIDTH = 64
_RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
_PREFIX = "torchvision:"
# With auxiliary heads they return several outputs in training, and their own initialisation takes a
# minute.
_WITHOUT_AUXILIARY = {"aux_logits": False, "init_weights": False}
_OPTIONS: dict[str, dict[str, Any]] = {
    "googlenet": _WITHOUT_AUXILIARY,
    "inception_v3": _WITHOUT_AUXILIARY,
}
_CIFAR_SHORTEST_SIDE = 25  # four stages halve it three times, and 4x4 is pooled at the end

Norm = Callable[[int], nn.Module]


def network_names() -> list[str]:
    """Returns the names that `build_network` accepts, and the form ``torchvision:NAME``."""
    return [CIFAR_RESNET, *_RESNETS, f"{_PREFIX}NAME"]


def build_network(
    name: str, *, width: int = LAB_WIDTH, batch_norm: bool = True, classes: int = 10
) -> nn.Module:
    """Returns a freshly initialised network.

    Args:
        name: ``resnet18-cifar``, one of torchvision's ResNets such as ``resnet152``, or
            ``torchvision:NAME`` for any torchvision classifier, without auxiliary heads.
        width: Channels of the first stage of ``resnet18-cifar``; 64 in the lab.
        batch_norm: False leaves out every batch norm (ResNets only); convolutions have no bias.
        classes: Outputs of the last linear layer.

    Raises:
        InputError: for an unknown name, or an option the network does not have.
    """
    check_network(name, width, batch_norm)
    norm: Norm = nn.BatchNorm2d if batch_norm else nn.Identity
    if name == CIFAR_RESNET:
        return CifarResNet18(width, classes, norm)
    norms: dict[str, Any] = {} if batch_norm else {"norm_layer": nn.Identity}
    builder: Callable[..., nn.Module] = torchvision.models.get_model_builder(_plain(name))
    return builder(weights=None, num_classes=classes, **norms, **_OPTIONS.get(_plain(name), {}))


def check_network(name: str, width: int = LAB_WIDTH, batch_norm: bool = True) -> None:
    """Checks the arguments of `build_network` without building a network.

    Raises:
        InputError: for an unknown name, or an option the network does not have.
    """
    if name != CIFAR_RESNET and _plain(name) not in _classifiers():
        raise _unknown_network(name)
    if width < 1:
        raise InputError(f"width {width} is not a number of channels; give 1 or more")
    if name != CIFAR_RESNET and width != LAB_WIDTH:
        raise InputError(f"width {width} cannot be set for {name}; only {CIFAR_RESNET} has a width")
    if not batch_norm and name != CIFAR_RESNET and _plain(name) not in _RESNETS:
        raise InputError(f"batch_norm cannot be left out of {name}; only ResNets allow it")


def _unknown_network(name: str) -> InputError:
    known = [*network_names(), *(_PREFIX + model for model in _classifiers())]
    by_end = {model.lower().removeprefix(_PREFIX): model for model in reversed(known)}
    close = difflib.get_close_matches(name.rpartition(":")[2].lower(), by_end, 1, 0.75)
    meant = f"; did you mean {by_end[close[0]]!r}?" if close else ""
    return InputError(
        f"unknown network {name!r}; choose one of: {', '.join(network_names())}{meant} (a network "
        "of your own is planned in a function, as FILE.py:NAME)"
    )


def _plain(name: str) -> str:
    return name.removeprefix(_PREFIX) if name.startswith(_PREFIX) or name in _RESNETS else ""


def _classifiers() -> list[str]:
    names: list[str] = torchvision.models.list_models(module=torchvision.models)
    return names


class CifarResNet18(nn.Module):
    """ResNet-18 for 32x32 images (He et al. 2016, with the 3x3 stride-1 stem of the lab).

    Args:
        width: Channels of the first stage; the stages have 1, 2, 4 and 8 times as many.
        classes: Outputs of the linear layer.
        norm: Builds the layer after each convolution from its number of channels.
    """

    def __init__(self, width: int, classes: int, norm: Norm) -> None:
        super().__init__()
        self.conv = _conv3x3(3, width)
        self.norm = norm(width)
        self.stages = nn.Sequential(
            *(_stage(max(1, scale // 2) * width, scale * width, norm) for scale in (1, 2, 4, 8))
        )
        self.linear = nn.Linear(8 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits of shape (N, classes) for images of shape (N, 3, 32, 32)."""
        if min(images.shape[-2:]) < _CIFAR_SHORTEST_SIDE:
            raise InputError(
                f"images of {images.shape[-2]}x{images.shape[-1]} are too small for "
                f"{CIFAR_RESNET}; the shorter side must be {_CIFAR_SHORTEST_SIDE} or more"
            )
        hidden = self.stages(functional.relu(self.norm(self.conv(images)), inplace=True))
        return self.linear(torch.flatten(functional.avg_pool2d(hidden, 4), 1))  # type: ignore[no-any-return]


class _BasicBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, norm: Norm) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.conv1 = _conv3x3(inputs, outputs, stride)
        self.norm1 = norm(outputs)
        self.conv2 = _conv3x3(outputs, outputs)
        self.norm2 = norm(outputs)
        self.shortcut = nn.Sequential()
        if stride == 2:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, norm(outputs))

    def forward(self, images: Tensor) -> Tensor:
        hidden = functional.relu(self.norm1(self.conv1(images)), inplace=True)
        hidden = self.norm2(self.conv2(hidden))
        hidden += self.shortcut(images)
        return functional.relu(hidden, inplace=True)


def _conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


def _stage(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(_BasicBlock(inputs, outputs, norm), _BasicBlock(outputs, outputs, norm))
