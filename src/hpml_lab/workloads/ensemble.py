"""Networks of one architecture, each with its own weights and images, computed at once.

A step of a small network costs mostly the calling of its operators, and kernels work badly on its
few channels. So the members' channels lie beside each other, a convolution has one group for each
member, and a linear layer is a batch of matrix products. Members do not see each other: gradients
and optimizer steps, which are element by element, are those of each member alone.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hpml_lab.errors import InputError

_WIDE = 15  # pixels; grouped kernels of 27 take five times as long as their transforms
_APART = 5  # dimensions of images whose members are not yet beside each other
# Those behind the first three treat every channel alike, so whose channel it is does not matter.
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
    """Several sequential networks of the same layers.

    Args:
        networks: one for each member; convolutions (stride 1), linear layers, ReLU, pooling,
            flattening. Their parameters are copied, and those that are frozen stay so.
        device: where to compute.

    Attributes:
        weights: by name, as in a network's `state_dict`, of all members: (members, ...).

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
                raise InputError(f"{layer} cannot be in an ensemble; see workloads/ensemble.py")
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
        """Returns a member's weights, as its network's `load_state_dict` takes them."""
        return {name: weight[index].detach().clone() for name, weight in self.weights.items()}

    def __call__(self, images: Tensor) -> Tensor:
        """Returns logits (members, n, classes) for images (members, n, channels, H, W)."""
        hidden: Tensor = images
        for index, layer in enumerate(self._layers):
            if isinstance(layer, nn.Flatten):
                hidden = hidden.flatten(2) if hidden.dim() == _APART else self._apart(hidden)
                continue
            hidden = _beside(hidden) if hidden.dim() == _APART else hidden
            if isinstance(layer, nn.Conv2d):
                hidden = self._convolution(index, layer, hidden)
            elif isinstance(layer, nn.Linear):
                hidden = self._linear(index, hidden)
            else:
                hidden = layer(hidden)
        return hidden

    def _apart(self, hidden: Tensor) -> Tensor:
        """Returns features (members, n, features) of (n, members * channels, H, W)."""
        features: Tensor = hidden.unflatten(1, (self.members, -1)).transpose(0, 1).flatten(2)
        return features

    def _linear(self, index: int, hidden: Tensor) -> Tensor:
        weight, bias = self.weights[f"{index}.weight"], self.weights[f"{index}.bias"]
        # This way round the gradient of the weights comes in the layout of the weights.
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
    """Returns the convolution of padded images, a product of their transforms for each frequency.

    Args:
        images: (n, members * channels, H, W).
        weight: (members, filters, channels, k, k).
    """
    (members, _, channels, side, _), size = weight.shape, images.shape[2:]
    of_images = torch.fft.rfft2(images.contiguous()).unflatten(1, (members, 1, channels))
    product = of_images * torch.fft.rfft2(weight, s=size).conj()
    outputs: Tensor = torch.fft.irfft2(product.sum(3).flatten(1, 2), s=size)
    height, width = (pixels - side + 1 for pixels in size)
    return outputs[..., :height, :width].contiguous(memory_format=torch.channels_last)


def _beside(images: Tensor) -> Tensor:
    """Returns (n, members * channels, H, W) of (members, n, channels, H, W)."""
    beside = images.transpose(0, 1).flatten(1, 2)
    # Channels last lets one vector instruction work on the channels of several members.
    return beside.contiguous(memory_format=torch.channels_last)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns each member's mean cross-entropy (members,).

    Their sum has the gradient of each for its own weights.

    Args:
        logits: (members, n, classes).
        labels: (members, n).
    """
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return losses.view(labels.shape).mean(1)
