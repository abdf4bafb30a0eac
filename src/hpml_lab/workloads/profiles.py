"""Sizes: what two processor cores hold in minutes, and what the lab asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hpml_lab.errors import unknown
from hpml_lab.workloads.networks import CIFAR_RESNET, LAB_WIDTH
from hpml_lab.workloads.training import Training


@dataclass(frozen=True)
class Profile:
    """The sizes that a case starts from.

    Attributes:
        name: ``quick`` or ``full``.
        training: what every axis a case does not name is set to.
        epochs: measured epochs of a case, behind one warm-up epoch.
        compile_images: images of an epoch where compile modes are compared, a multiple of the
            batch size: a last, smaller batch would be compiled a second time.
        device_images: images of an epoch where devices are compared; the CPU has to end it too.
        memory_batch: samples a step where memory is compared.
    """

    name: str
    training: Training
    epochs: int
    compile_images: int
    device_images: int
    memory_batch: int

    def images_of(self, training: Training, images: int) -> int:
        """Returns how many images a case takes: a number of this profile's, or what was asked for.

        Args:
            training: the case's; an axis may have set its images.
            images: the profile's number for this question, such as `device_images`.
        """
        return images if training.images == self.training.images else training.images

    def training_with(self, changes: Mapping[str, Any]) -> Training:
        """Returns the training with some fields changed.

        A network that has no width of its own to choose is not given the profile's.

        Raises:
            InputError: for a value that is not allowed.
        """
        if changes.get("network", CIFAR_RESNET) != CIFAR_RESNET:
            changes = {"width": LAB_WIDTH, **changes}
        return replace(self.training, **changes)


_PROFILES = {
    "quick": Profile("quick", Training(width=8, images=2048), 5, 1024, 2048, 8),
    "full": Profile("full", Training(), 5, 49_920, 4096, 128),
}
PROFILES = tuple(_PROFILES)


def profile_for(name: str, device: str, *, gpu: bool | None = None) -> Profile:
    """Returns a profile with its training set up for a device.

    Args:
        name: one of `PROFILES`; empty for full in the gpu suite and quick elsewhere.
        device: where the training runs.
        gpu: whether the case belongs to the gpu suite; by its device unless said.

    Raises:
        InputError: for an unknown name.
    """
    name = name or ("full" if (device == "cuda" if gpu is None else gpu) else "quick")
    if name not in _PROFILES:
        raise unknown("profile", name, PROFILES)
    profile = _PROFILES[name]
    on_device = replace(profile.training, device=device, pin_memory=device == "cuda")
    return replace(profile, training=on_device)
