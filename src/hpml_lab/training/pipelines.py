"""The input pipelines of a training: image by image, in batches, or on the device."""

from typing import Any

from torch.utils.data import DataLoader, default_collate

from hpml_lab.training.batched import (
    BatchedImages,
    Draws,
    ResidentLoader,
    batched_evaluation_loader,
    batched_loader,
)
from hpml_lab.training.cifar10 import Images
from hpml_lab.training.loader import (
    EVALUATION_BATCH,
    Batch,
    build_transforms,
    check_batch,
    evaluation_loader,
    training_loader,
)
from hpml_lab.training.training import Training


def loaders(training: Training, images: Images) -> tuple[Any, Any]:
    """Returns the loaders of a training, and of its evaluation, by its pipeline.

    Args:
        training: The configuration.
        images: The images of an epoch.

    Raises:
        InputError: if the batch is larger than the data.
    """
    made = {"lab": _lab, "batched": _batched, "resident": _resident}
    return made[training.pipeline](training, images)


def first_batch(dataset: Any, batch_size: int) -> Batch:
    """Returns the first images of a loader's dataset, loaded in this process."""
    if isinstance(dataset, BatchedImages):
        (draw,) = Draws(batch_size, batch_size, shuffled=False, augmented=False)
        return dataset[draw]
    inputs, labels = default_collate([dataset[index] for index in range(batch_size)])
    return inputs, labels


def _lab(training: Training, images: Images) -> tuple[DataLoader[Any], DataLoader[Any]]:
    transforms, side = training.transforms, training.image
    return (
        training_loader(
            images,
            training.batch_size,
            transform=build_transforms(transforms, side),
            workers=training.workers,
            persistent_workers=training.persistent_workers,
            pin_memory=training.pin_memory,
            drop_last=training.drop_last,
            seed=training.seed,
        ),
        evaluation_loader(
            images,
            build_transforms(transforms, side, augment=False),
            workers=training.workers,
            pin_memory=training.pin_memory,
        ),
    )


def _batched(training: Training, images: Images) -> tuple[DataLoader[Any], DataLoader[Any]]:
    loader = batched_loader(
        images,
        training.batch_size,
        transforms=training.transforms,
        image=training.image,
        channels_last=training.memory_format == "channels_last",
        workers=training.workers,
        persistent_workers=training.persistent_workers,
        pin_memory=training.pin_memory,
        drop_last=training.drop_last,
        seed=training.seed,
    )
    dataset = loader.dataset
    assert isinstance(dataset, BatchedImages)  # noqa: S101 (for the type checker)
    return loader, batched_evaluation_loader(dataset, workers=training.workers)


def _resident(training: Training, images: Images) -> tuple[ResidentLoader, ResidentLoader]:
    check_batch(training.batch_size, len(images))
    lab = training.transforms == "lab"
    dataset = BatchedImages(
        images,
        image=training.image,
        normalised=lab,
        channels_last=training.memory_format == "channels_last",
        device=training.device,
    )
    epochs = Draws(
        len(images),
        training.batch_size,
        augmented=lab,
        drop_last=training.drop_last,
        seed=training.seed,
    )
    in_order = Draws(len(images), EVALUATION_BATCH, shuffled=False, augmented=False)
    return ResidentLoader(dataset, epochs), ResidentLoader(dataset, in_order)
