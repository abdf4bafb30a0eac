"""A small training for `hpml-lab scale`, with a parameter that makes its second rank fail."""

import atexit
import os
import signal
import time

import torch
from torch import nn

from hpml_lab import TrainingStep


def small(width=64, fault="none", batch_size=64):
    """Returns a step of a perceptron; faults are those of rank 1."""
    if os.environ.get("RANK") == "1":
        if fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        if fault == "slow":
            time.sleep(600)
        if fault == "leaving":
            atexit.register(os.abort)
        if fault == "other":
            width += 1
        if fault == "raise":
            raise ValueError("as planted")
    model = nn.Sequential(nn.Linear(32, width), nn.ReLU(), nn.Linear(width, 4))
    batch = torch.randn(batch_size, 32), torch.randint(0, 4, (batch_size,))
    optimizer = torch.optim.Adam(model.parameters())
    return TrainingStep(model, optimizer, nn.functional.cross_entropy, batch)
