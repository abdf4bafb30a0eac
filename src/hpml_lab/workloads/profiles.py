"""Sizes: what two cores hold in minutes, what a GPU does in eight, and what the lab asks for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from hpml_lab.errors import unknown
from hpml_lab.units import MIB
from hpml_lab.workloads.networks import CIFAR_RESNET, LAB_WIDTH
from hpml_lab.workloads.training import Training


@dataclass(frozen=True)
class Profile:
    """The sizes that a case starts from.

    Attributes:
        name: ``quick``, ``short`` or ``full``.
        training: what every axis a case does not name is set to.
        epochs: measured epochs of a case, behind one warm-up epoch.
        compile_images: images of an epoch where compile modes are compared, a multiple of the
            batch size: a last, smaller batch would be compiled a second time.
        autotuned: whether a mode that tries kernels for minutes is among them.
        alone: whether each case about memory has an interpreter of its own, so that what is
            reserved is its own to the last block.
        device_images: images of an epoch where devices are compared; the CPU has to end it too.
        memory_batch: samples a step where memory is compared.
        memory_image: side of the images where ResNet-152's memory is compared.
        memory_limit_bytes: what the largest batch has to fit into.
        batch_network: what is trained where batch sizes are compared by time and accuracy.
        batch_images: images of an epoch there.
        batch_image: their side in pixels.
        batch_workers: loader processes there; to resize an image costs a processor about 1 ms.
        dropout_seeds: runs of the dropout lab's linear model with the large batch.
        shortcut_images: training images where label pixels are a shortcut; 0 for all.
        shortcut_tests: test images there; 0 for all.
        shortcut_seeds: networks trained there for each drop probability.
        shortcut_batch: samples a step there.
        shortcut_learning_rate: of plain SGD there; fewer and smaller steps need larger ones.
        edge_seeds: networks of each configuration of the edge lab.
        edge_images: the most training images of a class there.
        edge_epochs: the most epochs there.
    """

    name: str
    training: Training
    epochs: int
    compile_images: int
    autotuned: bool
    alone: bool
    device_images: int
    memory_batch: int
    memory_image: int
    memory_limit_bytes: int
    batch_network: str
    batch_images: int
    batch_image: int
    batch_workers: int
    dropout_seeds: int
    shortcut_images: int
    shortcut_tests: int
    shortcut_seeds: int
    shortcut_batch: int
    shortcut_learning_rate: float
    edge_seeds: int
    edge_images: int
    edge_epochs: int

    def sized(self, training: Training, **sizes: Any) -> Training:
        """Returns a case's training at this profile's sizes for its question.

        Args:
            training: the case's; what an axis has set in it stays.
            sizes: fields of `Training`, such as ``images=profile.device_images``.
        """
        own = asdict(self.training)
        free = {name: size for name, size in sizes.items() if getattr(training, name) == own[name]}
        return replace(training, **_with_width(free))

    def training_with(self, changes: Mapping[str, Any]) -> Training:
        """Returns the training with some fields changed.

        A network that has no width of its own to choose is not given the profile's.

        Raises:
            InputError: for a value that is not allowed.
        """
        return replace(self.training, **_with_width(changes))


def _with_width(changes: Mapping[str, Any]) -> Mapping[str, Any]:
    other = changes.get("network", CIFAR_RESNET) != CIFAR_RESNET
    return {"width": LAB_WIDTH, **changes} if other else changes


# Labs that learn: what two cores learn in minutes, and a GPU in seconds.
_SMALL_LABS: dict[str, Any] = {
    "dropout_seeds": 5,
    "shortcut_images": 1600,
    "shortcut_tests": 500,
    "shortcut_seeds": 3,
    "shortcut_batch": 16,
    "shortcut_learning_rate": 6e-3,
    "edge_seeds": 4,
    "edge_images": 20,
    "edge_epochs": 100,
}
_QUICK = Profile(
    name="quick",
    training=Training(width=8, images=1024),
    epochs=5,
    compile_images=512,
    autotuned=True,
    alone=True,
    device_images=1024,
    memory_batch=8,
    memory_image=32,
    memory_limit_bytes=64 * MIB,
    batch_network=CIFAR_RESNET,
    batch_images=256,
    batch_image=32,
    batch_workers=0,
    **_SMALL_LABS,
)
_FULL = Profile(
    name="full",
    training=Training(),
    epochs=5,
    compile_images=49_920,
    autotuned=True,
    alone=True,
    device_images=4096,
    memory_batch=128,
    memory_image=224,
    memory_limit_bytes=8188 * MIB,  # the card of write-up 000
    batch_network="resnet18",
    batch_images=4096,
    batch_image=224,
    batch_workers=8,
    dropout_seeds=10,
    shortcut_images=0,
    shortcut_tests=0,
    shortcut_seeds=5,
    shortcut_batch=64,
    shortcut_learning_rate=3e-3,
    edge_seeds=8,
    edge_images=500,
    edge_epochs=600,
)
# The lab's sizes where bytes are compared, and fewer images where seconds are.
_SHORT = replace(
    _FULL,
    name="short",
    training=Training(images=6400),
    compile_images=2560,
    autotuned=False,
    alone=False,
    device_images=512,
    batch_images=256,
    **_SMALL_LABS,
)
_PROFILES = {profile.name: profile for profile in (_QUICK, _SHORT, _FULL)}
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
