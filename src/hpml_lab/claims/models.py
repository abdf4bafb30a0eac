"""The networks that checks count, on the meta device, so that even large ones need no memory."""

from functools import cache

import torch
from torch import Tensor, nn

from hpml_lab.memory.network_counts import Summary, summarise
from hpml_lab.training.networks import CIFAR_RESNET, build_network

LAB = CIFAR_RESNET
_SHAPES = {LAB: (3, 32, 32), "resnet18": (3, 224, 224), "resnet152": (3, 224, 224)}


def bare(name: str, *, batch_norm: bool = True) -> nn.Module:
    """Returns a new network on the meta device, before any pass."""
    with torch.device("meta"):
        return build_network(name, batch_norm=batch_norm)


def loss(model: nn.Module, name: str, samples: int = 2) -> Tensor:
    """Returns the loss of a forward pass over samples on the meta device."""
    images = torch.empty(samples, *_SHAPES[name], device="meta")
    labels = torch.zeros(samples, dtype=torch.long, device="meta")
    return nn.functional.cross_entropy(model(images), labels)


@cache
def with_gradients(name: str) -> nn.Module:
    """Returns a network after one forward and one backward pass."""
    model = bare(name)
    loss(model, name).backward()
    return model


@cache
def summary(name: str, *, batch_norm: bool = True) -> Summary:
    """Returns the exact counts of a network, for one sample of the lab's size."""
    return summarise(bare(name, batch_norm=batch_norm), _SHAPES[name])


def trainable(model: nn.Module) -> int:
    """Returns the number of parameter elements that require a gradient."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def gradients(model: nn.Module) -> int:
    """Returns the number of elements of all existing gradients."""
    return sum(p.grad.numel() for p in model.parameters() if p.grad is not None)
