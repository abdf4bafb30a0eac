"""Networks of one architecture, each with its own weights and images, computed at once.

Most of the time of a small network's step goes into calling operators, and kernels are inefficient
on its few channels. Therefore the members' channels are concatenated, a convolution has one group
for each member, and a linear layer is a batched matrix product. Members are independent: gradients
and optimizer steps are element by element, and equal those of each member alone.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hpml_lab.errors import InputError

_WIDE = 15  # pixels; grouped convolutions of size 27 take five times as long as Fourier transforms
_SEPARATE_DIMS = 5  # dimensions of images whose members' channels are not concatenated yet
# Layers after the first three treat all channels equally, whichever member they belong to.
_LAYERS = (
    nn.Conv2d,
    nn.Linear,
    nn.Flatten,
    nn.ReLU,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
)


class Ensemble:
    """Several sequential networks with the same layers.

    Args:
        networks: one for each member, of convolutions (stride 1), linear layers, ReLU, pooling
            and flattening. Their parameters are copied; frozen parameters stay frozen.
        device: the device to compute on.

    Attributes:
        weights: stacked weights of all members, (members, ...), by name as in `state_dict`.

    Raises:
        InputError: for a layer of another kind, or no networks.
    """

    def __init__(self, networks: Sequence[nn.Sequential], device: str = "cpu") -> None:
        if not networks:
            raise InputError("an ensemble of no networks; give one or more")
        self.members = len(networks)
        self._layers: list[Any] = list(networks[0])
        for layer in self._layers:
            if not isinstance(layer, _LAYERS):
                raise InputError(f"{layer} cannot be in an ensemble; see labs/edges/ensemble.py")
        self.weights: dict[str, Tensor] = {
            name: torch.stack([network.state_dict()[name] for network in networks])
            .to(device)
            .requires_grad_(parameter.requires_grad)
            for name, parameter in networks[0].named_parameters()
        }

    @property
    def trainable(self) -> list[Tensor]:
        """The weights that are not frozen, for an optimizer."""
        return [weight for weight in self.weights.values() if weight.requires_grad]

    def member(self, index: int) -> dict[str, Tensor]:
        """Returns the `state_dict` of one member."""
        return {name: weight[index].detach().clone() for name, weight in self.weights.items()}

    def __call__(self, images: Tensor) -> Tensor:
        """Returns logits (members, n, classes) for images (members, n, channels, H, W)."""
        hidden: Tensor = images
        for index, layer in enumerate(self._layers):
            if isinstance(layer, nn.Flatten):
                hidden = (
                    hidden.flatten(2) if hidden.dim() == _SEPARATE_DIMS else self._separated(hidden)
                )
                continue
            hidden = _merged(hidden) if hidden.dim() == _SEPARATE_DIMS else hidden
            if isinstance(layer, nn.Conv2d):
                hidden = self._convolution(index, layer, hidden)
            elif isinstance(layer, nn.Linear):
                hidden = self._linear(index, hidden)
            else:
                hidden = layer(hidden)
        return hidden

    def _separated(self, hidden: Tensor) -> Tensor:
        """Returns (n, members * channels, H, W) as features (members, n, features)."""
        features: Tensor = hidden.unflatten(1, (self.members, -1)).transpose(0, 1).flatten(2)
        return features

    def _linear(self, index: int, hidden: Tensor) -> Tensor:
        weight, bias = self.weights[f"{index}.weight"], self.weights[f"{index}.bias"]
        # In this order the gradient of the weights has the layout of the weights.
        return torch.baddbmm(bias[:, :, None], weight, hidden.transpose(1, 2)).transpose(1, 2)

    def _convolution(self, index: int, layer: nn.Conv2d, hidden: Tensor) -> Tensor:
        weight, bias = self.weights[f"{index}.weight"], self.weights[f"{index}.bias"]
        down, across = map(int, layer.padding)
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        padded = functional.pad(hidden, [across, across, down, down], mode=mode)
        if weight.shape[-1] > _WIDE:
            return _by_fourier(padded, weight) + bias.flatten()[:, None, None]
        return functional.conv2d(padded, weight.flatten(0, 1), bias.flatten(), groups=self.members)


def _by_fourier(images: Tensor, weight: Tensor) -> Tensor:
    """Returns the convolution of padded images, computed by Fourier transforms.

    Args:
        images: (n, members * channels, H, W).
        weight: (members, filters, channels, k, k).
    """
    (members, _, channels, side, _), size = weight.shape, images.shape[2:]
    transforms = torch.fft.rfft2(images.contiguous()).unflatten(1, (members, 1, channels))
    product = transforms * torch.fft.rfft2(weight, s=size).conj()
    outputs: Tensor = torch.fft.irfft2(product.sum(3).flatten(1, 2), s=size)
    height, width = (pixels - side + 1 for pixels in size)
    return outputs[..., :height, :width].contiguous(memory_format=torch.channels_last)


def _merged(images: Tensor) -> Tensor:
    """Returns (members, n, channels, H, W) as (n, members * channels, H, W)."""
    merged = images.transpose(0, 1).flatten(1, 2)
    # With channels last, one vector instruction covers the channels of several members.
    return merged.contiguous(memory_format=torch.channels_last)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns each member's mean cross-entropy (members,).

    The gradient of their sum is, for each member's weights, that of its own loss.

    Args:
        logits: (members, n, classes).
        labels: (members, n).
    """
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return losses.view(labels.shape).mean(1)
