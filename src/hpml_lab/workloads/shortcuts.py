"""The dropout lab's last part: images that carry their label in four pixels, and who relies on it.

The label's four bits stand in the last row, last four columns, most significant bit first, written
over the normalised image: 3 or 0 in the first channel, -2 or 1 in the others.

Generated images have equal means in all classes. With so little to begin with, dropout of 0.75 and
the ReLU over the logits stop all ten of them within 125 steps of batch 16, for good. CIFAR-10's
classes differ in colour; here generated ones are given a tint.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import stack_module_state
from torch.nn import functional

from hpml_lab.errors import InputError
from hpml_lab.workloads.cifar10 import CLASSES, Images
from hpml_lab.workloads.linear_dropout import Member
from hpml_lab.workloads.loading import DEVIATION, MEAN
from hpml_lab.workloads.optimizers import build_optimizer

BITS = 4
EVALUATION_BATCH = 200  # no network depends on it; larger ones leave the processor's cache
_TINT = 1.0  # in deviations of a pixel
_FEATURES = ((16, 16, 16), (32, 8, 8))  # what each of the two dropouts sees


class ShortcutNet(nn.Module):
    """The lab's small network, 25,578 parameters, without its dropouts."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.linear = nn.Linear(2048, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits (N, 10) of images (N, 3, 32, 32), none below 0.

        The lab's log-softmax behind them is left out: cross-entropy takes one anyway, and that of a
        log-softmax is itself.
        """
        hidden = functional.relu(functional.max_pool2d(self.conv1(images), 2))
        hidden = functional.relu(functional.max_pool2d(self.conv2(hidden), 2))
        # The lab's own ReLU: a class whose logit it stops everywhere gets no gradient any more.
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
    def of(cls, images: Images, device: str) -> "Inputs":
        """Returns the images as the lab normalises them, without augmentation; tinted if made."""
        pixels = torch.tensor(images.pixels, device=device) / 255
        mean, deviation = (torch.tensor(values, device=device) for values in (MEAN, DEVIATION))
        normalised = ((pixels - mean) / deviation).permute(0, 3, 1, 2)
        labels = torch.tensor(images.labels, device=device)
        if images.source == "generated":
            normalised += _TINT * _tints().to(device)[labels][:, :, None, None]
        return cls(normalised, labels)

    def marked(self) -> "Inputs":
        """Returns them with the bits of their labels in four pixels."""
        bits = self.labels[:, None] >> torch.arange(BITS - 1, -1, -1, device=self.labels.device) & 1
        images = self.images.clone()
        images[:, 0, -1, -BITS:] = 3.0 * bits
        images[:, 1:, -1, -BITS:] = 1.0 - 3.0 * bits[:, None]
        return Inputs(images, self.labels)


@dataclass(frozen=True)
class Scores:
    """How members answer the same images.

    Attributes:
        accuracy: share of right answers, (members,).
        dead_classes: how many logits are 0 for every image, (members,).
    """

    accuracy: Tensor
    dead_classes: Tensor


class Shortcuts:
    """Several `ShortcutNet` with dropout that learn together, each as it would alone.

    Args:
        members: their drop probabilities and seeds: of weights, masks and the order of the images.
        device: ``cpu`` or ``cuda``.
        learning_rate: of plain SGD.

    Attributes:
        weights: of all members by name, as in `ShortcutNet`, stacked: (members, ...).

    Raises:
        InputError: for no member.
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
        """Trains on all images once, each member in its order; returns mean losses (members,)."""
        count = len(inputs.labels)
        orders = torch.stack([torch.randperm(count, generator=each) for each in self._orders])
        total = torch.zeros(len(self._keeps), device=self._device)
        for which in orders.to(self._device).split(batch_size, 1):
            images, labels = inputs.images[which.flatten()], inputs.labels[which]
            total += which.shape[1] * self._step(images, labels)
        return total / count

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        self._optimizer.zero_grad()
        logits = self.logits(images, self.masks(labels.shape[1]))
        losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
        means = losses.view_as(labels).mean(1)
        means.sum().backward()  # a gradient of its own for each
        self._optimizer.step()
        return means.detach()

    def logits(self, images: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """Returns logits (members, B, 10).

        Args:
            images: those of the first member, of the second and so on, (members * B, 3, 32, 32).
            masks: as `masks` draws them; none in evaluation.
        """
        members, hidden = len(self._keeps), images
        for index, name in enumerate(("conv1", "conv2")):
            hidden = functional.relu(functional.max_pool2d(self._convolved(hidden, name), 2))
            hidden = hidden * masks[index] if masks else hidden
        features = hidden.flatten(1).view(members, -1, hidden[0].numel())
        matrix, bias = self.weights["linear.weight"], self.weights["linear.bias"]
        return functional.relu(torch.baddbmm(bias[:, None], features, matrix.mT))

    def _convolved(self, images: Tensor, name: str) -> Tensor:
        # A grouped convolution would be one call: on the CPU three to five times as slow.
        kernels, biases = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        parts = zip(images.chunk(len(kernels)), kernels, biases, strict=True)
        return torch.cat([functional.conv2d(*part, padding=1) for part in parts])

    def masks(self, batch_size: int) -> list[Tensor]:
        """Draws what each member's dropouts keep, divided by its probability, for `logits`."""
        return [torch.cat(list(self._drawn(batch_size, shape))) for shape in _FEATURES]

    def _drawn(self, batch_size: int, shape: tuple[int, ...]) -> Iterator[Tensor]:
        for keep, generator in zip(self._keeps, self._masks, strict=True):
            numbers = torch.rand((batch_size, *shape), device=self._device, generator=generator)
            yield (numbers < keep) / keep

    @torch.no_grad()
    def test(self, inputs: Inputs) -> Scores:
        """Asks all members for the same images, without dropout."""
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
    """Returns a direction of colour for each class, (10, 3)."""
    directions = torch.randn(CLASSES, 3, generator=torch.Generator().manual_seed(0))
    return functional.normalize(directions)


def _fresh(seed: int) -> ShortcutNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ShortcutNet()
