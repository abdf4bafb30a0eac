"""A generator and a discriminator, each with an optimizer of its own, trained in turn."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

NOISE, PIXELS = 16, 64


@dataclass
class Gan:
    """Two networks and their optimizers.

    Attributes:
        generator: noise to images.
        discriminator: images to one logit, high for real ones.
        optimizers: of the generator and of the discriminator.
    """

    generator: nn.Module
    discriminator: nn.Module
    optimizers: tuple[torch.optim.Optimizer, torch.optim.Optimizer]

    def step(self, real: Tensor) -> Tensor:
        """Trains the discriminator on real and made-up images, then the generator against it."""
        of_generator, of_discriminator = self.optimizers
        made = self.generator(torch.randn(len(real), NOISE))
        of_discriminator.zero_grad()
        loss = self._loss(real, 1.0) + self._loss(made.detach(), 0.0)
        loss.backward()
        of_discriminator.step()
        of_generator.zero_grad()
        self._loss(made, 1.0).backward()
        of_generator.step()
        return loss.detach()

    def _loss(self, images: Tensor, label: float) -> Tensor:
        logits = self.discriminator(images)
        return cross_entropy(logits, torch.full_like(logits, label))


def gan(width: int = 64) -> Gan:
    """Returns two networks of two layers each with Adam."""
    generator = nn.Sequential(nn.Linear(NOISE, width), nn.ReLU(), nn.Linear(width, PIXELS))
    discriminator = nn.Sequential(nn.Linear(PIXELS, width), nn.ReLU(), nn.Linear(width, 1))
    adam = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
    optimizers = adam(generator.parameters()), adam(discriminator.parameters())
    return Gan(generator, discriminator, optimizers)
