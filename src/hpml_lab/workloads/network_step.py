"""A named network's training as a workload, as `hpml-lab predict --network` describes it."""

import torch
from torch.nn import functional

from hpml_lab.theory.memory import Step
from hpml_lab.workloads.declared import Workload
from hpml_lab.workloads.networks import build_network
from hpml_lab.workloads.step import TrainingStep

_OPTIMIZERS = {name.lower(): name for name in torch.optim.__all__}
_OPTIONS = ("momentum", "nesterov", "amsgrad", "centered", "weight_decay")


def network_step(name: str, classes: int, image: int, step: Step) -> Workload:
    """Returns the workload whose step is the one described.

    Args:
        name: of the network, as `networks.build_network`.
        classes: outputs of its last layer.
        image: the side of square images in pixels.
        step: how it is trained; its batch is the default of ``batch_size``.
    """

    def training(batch_size: int = step.batch) -> TrainingStep:
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
        return TrainingStep(model, optimizer, functional.cross_entropy, batch, precision=step.dtype)

    return training
