"""How fast the two networks train: a function of one's own, told what it works on."""

import torch
from training import PIXELS, gan


def test_step(measure):
    """One step of each network."""
    trained, real = gan(), torch.randn(32, PIXELS)
    measure(
        lambda: trained.step(real),
        model=[trained.generator, trained.discriminator],
        optimizer=trained.optimizers,
        batch=real,
    )
