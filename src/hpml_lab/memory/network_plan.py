"""Networks by name, ready for a memory plan."""

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any

from hpml_lab.memory.plan import Network
from hpml_lab.memory.recurrence import resnet_timeline
from hpml_lab.memory.resnet import RESNETS, ResNet
from hpml_lab.theory.validation import check_int


def planned_network(
    name: str,
    classes: int | None = None,
    image: int | None = None,
    *,
    width: int | None = None,
    batch_norm: bool = True,
    checkpoint: Collection[str] = (),
    channels_last: bool = False,
) -> Network:
    """Returns a network ready for a plan, without allocating its weights.

    Args:
        name: As in `networks.build_network`.
        classes: Outputs of its last layer; by default 10 with the CIFAR stem and 1000 else.
        image: Side of square images in pixels; by default 32 with the CIFAR stem and 224 else.
        width: Channels of the first stage of ``resnet18-cifar``; None for the lab's.
        batch_norm: False leaves out every batch norm of a ResNet.
        checkpoint: Paths of the blocks that are recomputed in the backward pass.
        channels_last: Whether weights and images have the channels-last memory format.

    Raises:
        InputError: for an unknown name, or an image size that the network does not accept.
    """
    known = _known(name)
    cifar = known is not None and known.stem == "cifar"
    classes = (10 if cifar else 1000) if classes is None else classes
    image = (32 if cifar else 224) if image is None else image
    other = {} if width is None else {"width": width}
    other |= {} if batch_norm else {"batch_norm": False}
    if known is None or other or checkpoint or channels_last:
        passes = {"checkpoint": tuple(checkpoint), "channels_last": channels_last}
        return _traced(name, classes, image, other, passes)
    return _walked(name, replace(known, classes=classes), image)


def _known(name: str) -> ResNet | None:
    if name in RESNETS:
        return RESNETS[name]
    prefix, _, plain = name.rpartition("torchvision:")
    known = RESNETS.get(plain) if name != plain and not prefix else None
    return None if known is None or known.stem == "cifar" else known


def _walked(name: str, network: ResNet, image: int) -> Network:
    layout, cost = network.layout(image), network.cost(image)
    passes = partial(resnet_timeline, network, image)
    return Network(
        name=name,
        classes=network.classes,
        image=image,
        parameters=cost.parameters,
        trained=layout.parameter_sizes,
        flops_per_sample=cost.flops,
        products=[layout.linear],
        method="recurrence",
        passes=passes,
    )


def _traced(
    name: str, classes: int, image: int, build: dict[str, Any], trace: dict[str, Any]
) -> Network:
    # These import torch, which takes longer than the recurrence.
    from hpml_lab.memory.meta import EmptyWeights
    from hpml_lab.memory.module_plan import plan_module
    from hpml_lab.memory.network_counts import summarise
    from hpml_lab.training.networks import build_network

    shape = (3, check_int("image", image, 1), image)
    with EmptyWeights():
        model = build_network(name, classes=check_int("classes", classes, 1), **build)
    counts = summarise(model, shape)
    return Network(
        name=name,
        classes=classes,
        image=image,
        parameters=counts.parameters,
        trained=[parameter.numel() for parameter in model.parameters()],
        flops_per_sample=counts.flops_per_sample,
        products=[name for name, part in model.named_modules() if type(part).__name__ == "Linear"],
        method="trace",
        passes=partial(plan_module, model, shape, **trace),
    )
