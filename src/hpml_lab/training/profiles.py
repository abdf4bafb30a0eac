"""Profiles: sizes for minutes on two cores, for eight minutes on a GPU, and those of the lab."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from hpml_lab.errors import unknown
from hpml_lab.training.networks import CIFAR_RESNET, LAB_WIDTH
from hpml_lab.training.training import Training


@dataclass(frozen=True)
class Profile:
    """Default sizes of a case; a question of the labs may have additional ones.

    Attributes:
        name: ``quick``, ``short`` or ``full``.
        training: Default values of the axes that a case does not name.
        epochs: Measured epochs of a case, after one warm-up epoch.
    """

    name: str
    training: Training
    epochs: int

    def sized(self, training: Training, **sizes: Any) -> Training:
        """Returns a case's training with additional sizes for its question.

        Args:
            training: Training of the case; values that an axis has set stay.
            sizes: Fields of `Training`, such as ``images=1024``.
        """
        own = asdict(self.training)
        free = {name: size for name, size in sizes.items() if getattr(training, name) == own[name]}
        return replace(training, **_with_width(free))

    def training_with(self, changes: Mapping[str, Any]) -> Training:
        """Returns the training with some fields changed.

        A network without a width option does not get the profile's width.

        Raises:
            InputError: for a value that is not allowed.
        """
        return replace(self.training, **_with_width(changes))


def _with_width(changes: Mapping[str, Any]) -> Mapping[str, Any]:
    other = changes.get("network", CIFAR_RESNET) != CIFAR_RESNET
    return {"width": LAB_WIDTH, **changes} if other else changes


_QUICK = Profile("quick", Training(width=8, images=1024), epochs=5)
_FULL = Profile("full", Training(), epochs=5)
# The lab's sizes to compare bytes, but fewer images to compare seconds.
_SHORT = Profile("short", Training(images=6400), epochs=5)
_PROFILES = {profile.name: profile for profile in (_QUICK, _SHORT, _FULL)}
PROFILES = tuple(_PROFILES)


def profile_for(name: str, device: str, *, gpu: bool | None = None) -> Profile:
    """Returns a profile with its training set up for a device.

    Args:
        name: One of `PROFILES`; empty for full in the gpu suite and quick elsewhere.
        device: Device of the training.
        gpu: Whether the case belongs to the gpu suite; by default if the device is CUDA.

    Raises:
        InputError: for an unknown name.
    """
    name = name or ("full" if (device == "cuda" if gpu is None else gpu) else "quick")
    if name not in _PROFILES:
        raise unknown("profile", name, PROFILES)
    profile = _PROFILES[name]
    on_device = replace(profile.training, device=device, pin_memory=device == "cuda")
    return replace(profile, training=on_device)
