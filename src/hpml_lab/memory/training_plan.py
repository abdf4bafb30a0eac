"""The memory plan of one training configuration, without building its weights."""

from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from hpml_lab.memory.meta import EmptyWeights
from hpml_lab.memory.module_plan import plan_module
from hpml_lab.memory.optimizer_step import Step
from hpml_lab.memory.recurrence import resnet_timeline
from hpml_lab.memory.resnet import RESNETS
from hpml_lab.memory.timeline import Timeline
from hpml_lab.training.cifar10 import CHANNELS, CLASSES
from hpml_lab.training.networks import build_network
from hpml_lab.training.optimizers import build_optimizer
from hpml_lab.training.step import TrainingStep
from hpml_lab.training.training import Training
from hpml_lab.training.workload import Workload

_OPTIONS = ("momentum", "nesterov", "amsgrad", "centered", "weight_decay")


def plan_training(training: Training) -> Timeline:
    """Plans a step that is not the first; for the bytes counted see `memory.optimizer_step`.

    A residual network is planned by recurrence over its layers, any other by tracing.

    Args:
        training: Not compiled; its data are not used.

    Raises:
        InputError: if the network does not accept such images or such a batch.
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
    """Returns the settings of a training's step."""
    optimizer = build_optimizer(
        training.optimizer,
        [nn.Parameter(torch.empty(0))],
        training.optimizer_settings,
        training.learning_rate,
    )
    options = optimizer.defaults
    return Step(
        batch_size=training.batch_size,
        optimizer=type(optimizer).__name__.lower(),
        implementation=_implementation(training),
        precision=training.precision,
        **{name: options[name] for name in _OPTIONS if name in options},
    )


def _implementation(training: Training) -> str:
    if training.optimizer_implementation != "default":
        return training.optimizer_implementation
    # What torch uses where nothing is asked for.
    return "foreach" if training.device == "cuda" else "for-loop"


_OPTIMIZERS = {name.lower(): name for name in torch.optim.__all__}


def network_step(name: str, classes: int, image: int, step: Step) -> Workload:
    """Returns the workload with the given network and step.

    Args:
        name: Name of the network, as in `networks.build_network`.
        classes: Outputs of its last layer.
        image: Side of square images in pixels.
        step: Settings of the step; its batch size is the default of ``batch_size``.
    """

    def training(batch_size: int = step.batch_size) -> TrainingStep:
        model = build_network(name, classes=classes)
        kind = getattr(torch.optim, _OPTIMIZERS[step.optimizer])
        given = {option: getattr(step, option) for option in _OPTIONS if getattr(step, option)}
        if step.implementation == "fused":
            given["fused"] = True
        else:
            given["foreach"] = step.implementation == "foreach"
        images = torch.randn(batch_size, 3, image, image)
        labels = torch.zeros(batch_size, dtype=torch.long)
        optimizer = kind(model.parameters(), **given)
        batch = images, labels
        return TrainingStep(
            model, optimizer, functional.cross_entropy, batch, precision=step.precision
        )

    return training
