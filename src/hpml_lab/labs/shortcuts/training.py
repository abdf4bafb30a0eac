"""The dropout lab's last part: training on images that carry their label in four pixels.

The four bits of the label are in the last row, last four columns, most significant bit first. They
overwrite the normalised image: 3 or 0 in the first channel, -2 or 1 in the others.

Generated images have equal means in all classes. From such a start, dropout of 0.75 and the ReLU
over the logits set all ten logits to 0 within 125 steps of batch 16, for good. CIFAR-10's classes
differ in colour, so each class of generated images gets a tint here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import stack_module_state
from torch.nn import functional

from hpml_lab.errors import InputError
from hpml_lab.labs.dropout.training import Member
from hpml_lab.training.cifar10 import CLASSES, Images
from hpml_lab.training.loader import DEVIATION, MEAN
from hpml_lab.training.optimizers import build_optimizer

BITS = 4
EVALUATION_BATCH = 200  # results do not depend on it; larger batches exceed the processor's cache
_TINT = 1.0  # in standard deviations of a pixel
_FEATURES = ((16, 16, 16), (32, 8, 8))  # input shapes of the two dropouts


class ShortcutNet(nn.Module):
    """The lab's small network, 25,578 parameters, without its dropouts."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.linear = nn.Linear(2048, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits (N, 10) of images (N, 3, 32, 32), none below 0.

        The lab's final log-softmax is left out: cross-entropy contains one, and log-softmax of
        log-softmax is log-softmax.
        """
        hidden = functional.relu(functional.max_pool2d(self.conv1(images), 2))
        hidden = functional.relu(functional.max_pool2d(self.conv2(hidden), 2))
        # The lab's own ReLU: a class whose logit is 0 for all images gets no gradient any more.
        return functional.relu(self.linear(hidden.flatten(1)))


@dataclass(frozen=True)
class Inputs:
    """Images and labels on a device.

    Attributes:
        images: float32, normalised as in the lab, (N, 3, 32, 32), channels last in memory.
        labels: int64, (N,).
    """

    images: Tensor
    labels: Tensor

    @classmethod
    def from_images(cls, images: Images, device: str) -> "Inputs":
        """Returns images normalised as in the lab, without augmentation; generated ones tinted."""
        pixels = torch.tensor(images.pixels, device=device) / 255
        mean, deviation = (torch.tensor(values, device=device) for values in (MEAN, DEVIATION))
        normalised = ((pixels - mean) / deviation).permute(0, 3, 1, 2)
        labels = torch.tensor(images.labels, device=device)
        if images.source == "generated":
            normalised += _TINT * _tints().to(device)[labels][:, :, None, None]
        return cls(normalised, labels)

    def marked(self) -> "Inputs":
        """Returns the images with the bits of their labels in four pixels."""
        bits = self.labels[:, None] >> torch.arange(BITS - 1, -1, -1, device=self.labels.device) & 1
        images = self.images.clone()
        images[:, 0, -1, -BITS:] = 3.0 * bits
        images[:, 1:, -1, -BITS:] = 1.0 - 3.0 * bits[:, None]
        return Inputs(images, self.labels)


@dataclass(frozen=True)
class Scores:
    """Test results of all members on the same images.

    Attributes:
        accuracy: share of right answers, (members,).
        dead_classes: number of logits that are 0 for every image, (members,).
    """

    accuracy: Tensor
    dead_classes: Tensor


class Shortcuts:
    """Several `ShortcutNet` with dropout, trained together and independent of each other.

    Args:
        members: their drop probabilities, and the seeds of weights, masks and image order.
        device: ``cpu`` or ``cuda``.
        learning_rate: learning rate of plain SGD.

    Attributes:
        weights: stacked weights of all members, (members, ...), by name as in `ShortcutNet`.

    Raises:
        InputError: if there are no members.
    """

    def __init__(self, members: Sequence[Member], device: str, learning_rate: float) -> None:
        if not members:
            raise InputError("there are no members to train; give at least one")
        self.weights, _ = stack_module_state([_fresh(member.seed).to(device) for member in members])
        self._device = device
        self._keeps = [1 - member.drop for member in members]
        self._optimizer = build_optimizer("sgd", self.weights.values(), "default", learning_rate)
        self._orders = [torch.Generator().manual_seed(member.seed) for member in members]
        self._masks = [torch.Generator(device).manual_seed(member.seed) for member in members]

    def epoch(self, inputs: Inputs, batch_size: int) -> Tensor:
        """Trains each member on all images, in its own order; returns mean losses (members,)."""
        count = len(inputs.labels)
        orders = torch.stack(
            [torch.randperm(count, generator=generator) for generator in self._orders]
        )
        total = torch.zeros(len(self._keeps), device=self._device)
        for indices in orders.to(self._device).split(batch_size, 1):
            images, labels = inputs.images[indices.flatten()], inputs.labels[indices]
            total += indices.shape[1] * self._step(images, labels)
        return total / count

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        self._optimizer.zero_grad()
        logits = self.logits(images, self.masks(labels.shape[1]))
        losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
        means = losses.view_as(labels).mean(1)
        means.sum().backward()  # the members' gradients are independent
        self._optimizer.step()
        return means.detach()

    def logits(self, images: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """Returns logits (members, B, 10).

        Args:
            images: images of the first member, then of the second and so on,
                (members * B, 3, 32, 32).
            masks: dropout masks from `masks`; empty for evaluation.
        """
        members, hidden = len(self._keeps), images
        for index, name in enumerate(("conv1", "conv2")):
            hidden = functional.relu(functional.max_pool2d(self._convolved(hidden, name), 2))
            hidden = hidden * masks[index] if masks else hidden
        features = hidden.flatten(1).view(members, -1, hidden[0].numel())
        matrix, bias = self.weights["linear.weight"], self.weights["linear.bias"]
        return functional.relu(torch.baddbmm(bias[:, None], features, matrix.mT))

    def _convolved(self, images: Tensor, name: str) -> Tensor:
        # One grouped convolution would be three to five times as slow on the CPU.
        kernels, biases = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        parts = zip(images.chunk(len(kernels)), kernels, biases, strict=True)
        return torch.cat([functional.conv2d(*part, padding=1) for part in parts])

    def masks(self, batch_size: int) -> list[Tensor]:
        """Draws the members' dropout masks for `logits`, scaled by 1 / (1 - drop)."""
        return [torch.cat(list(self._drawn(batch_size, shape))) for shape in _FEATURES]

    def _drawn(self, batch_size: int, shape: tuple[int, ...]) -> Iterator[Tensor]:
        for keep, generator in zip(self._keeps, self._masks, strict=True):
            numbers = torch.rand((batch_size, *shape), device=self._device, generator=generator)
            yield (numbers < keep) / keep

    @torch.no_grad()
    def test(self, inputs: Inputs) -> Scores:
        """Evaluates all members on the same images, without dropout."""
        members = len(self._keeps)
        hits = torch.zeros(members, device=self._device)
        most = torch.zeros(members, CLASSES, device=self._device)
        batches = (values.split(EVALUATION_BATCH) for values in (inputs.images, inputs.labels))
        for images, labels in zip(*batches, strict=True):
            logits = self.logits(images.repeat(members, 1, 1, 1))
            hits += (logits.argmax(2) == labels).sum(1)
            most = torch.maximum(most, logits.amax(1))
        return Scores(hits / len(inputs.labels), (most == 0).sum(1))


def _tints() -> Tensor:
    """Returns a unit vector of colour for each class, (10, 3)."""
    directions = torch.randn(CLASSES, 3, generator=torch.Generator().manual_seed(0))
    return functional.normalize(directions)


def _fresh(seed: int) -> ShortcutNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ShortcutNet()
