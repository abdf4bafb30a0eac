"""A small training for `hpml-lab tune`, with a parameter that makes it fail in each known way."""

import os
import signal
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from hpml_lab import TrainingStep


def small(width=4, batch_size=8, fault="none", loader=False):
    """Returns a step of a small convolution network."""
    if fault == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault == "hang":
        time.sleep(600)
    if fault == "memory":
        torch.empty(1 << 50)
    if fault == "raise":
        raise ValueError("as planted")
    model = nn.Sequential(
        nn.Conv2d(3, width, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 2),
    )
    images, labels = torch.randn(64, 3, 8, 8), torch.randint(0, 2, (64,))
    factor = 2.0 if fault == "loss" else 1.0

    def loss(outputs, targets):
        return factor * nn.functional.cross_entropy(outputs, targets)

    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    if loader:
        batches = DataLoader(TensorDataset(images, labels), batch_size, drop_last=True)
        return TrainingStep(model, optimizer, loss, loader=batches)
    return TrainingStep(model, optimizer, loss, (images[:batch_size], labels[:batch_size]))
