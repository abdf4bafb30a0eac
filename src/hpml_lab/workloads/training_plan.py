"""The memory plan of one training configuration, without building its weights."""

from dataclasses import replace

import torch
from torch import nn

from hpml_lab.theory.memory import Step
from hpml_lab.theory.recurrence import resnet_timeline
from hpml_lab.theory.resnet import RESNETS
from hpml_lab.theory.timeline import Timeline
from hpml_lab.workloads.cifar10 import CHANNELS, CLASSES
from hpml_lab.workloads.networks import build_network
from hpml_lab.workloads.optimizers import build_optimizer
from hpml_lab.workloads.planning import plan_module
from hpml_lab.workloads.storageless import EmptyWeights
from hpml_lab.workloads.training import Training

_OPTIONS = ("momentum", "nesterov", "amsgrad", "centered", "weight_decay")


def plan_training(training: Training) -> Timeline:
    """Plans a step that is not the first; what is counted: see `theory.memory`.

    A residual network is planned by recurrence over its layers, any other by tracing.

    Args:
        training: not compiled; of which the data are not looked at.

    Raises:
        InputError: if the network cannot take such images or such a batch.
    """
    step = described(training)
    known = RESNETS.get(training.network)
    if known is not None and training.memory_format == "contiguous":
        network = replace(known, width=training.width, norm=training.batch_norm, classes=CLASSES)
        return resnet_timeline(network, training.image, step)
    with EmptyWeights():
        model = build_network(
            training.network, width=training.width, batch_norm=training.batch_norm
        )
    shape = (CHANNELS, training.image, training.image)
    return plan_module(model, shape, step, channels_last=training.memory_format == "channels_last")


def described(training: Training) -> Step:
    """Returns how a step is taken, in the words of `theory.memory`."""
    optimizer = build_optimizer(
        training.optimizer,
        [nn.Parameter(torch.empty(0))],
        training.optimizer_settings,
        training.learning_rate,
    )
    options = optimizer.defaults
    return Step(
        batch=training.batch_size,
        optimizer=type(optimizer).__name__.lower(),
        # Nobody asks for one, so torch takes foreach on CUDA and the loop on the CPU.
        implementation="foreach" if training.device == "cuda" else "loop",
        dtype=training.precision,
        **{name: options[name] for name in _OPTIONS if name in options},
    )
