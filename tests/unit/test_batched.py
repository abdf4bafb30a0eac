"""Batches made at once hold what the lab's pipeline makes image by image."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

from hpml_lab.errors import InputError
from hpml_lab.training.batched import (
    BatchedImages,
    Draw,
    Draws,
    ResidentLoader,
    batched_evaluation_loader,
    batched_loader,
)
from hpml_lab.training.cifar10 import Images
from hpml_lab.training.loader import DEVIATION, MEAN, build_transforms

COUNT = 7


@pytest.fixture(scope="module")
def images():
    """Random pixels, so that no two crops are equal."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (COUNT, 32, 32, 3), dtype=np.uint8)
    return Images(pixels, np.arange(COUNT) % 10, "generated")


def draw(index, top=4, left=4, mirrored=0):
    """Returns the draw of one image, by default as it is."""
    return Draw(*(torch.tensor([value]) for value in (index, top, left, mirrored)))


def reference(images, index, top, left, mirrored):
    """Returns torchvision's crop, flip and normalisation of one image."""
    picture = functional.pad(Image.fromarray(images.pixels[index]), 4)
    picture = functional.crop(picture, top, left, 32, 32)
    picture = functional.hflip(picture) if mirrored else picture
    return functional.normalize(functional.to_tensor(picture), MEAN, DEVIATION)


@pytest.mark.parametrize("channels_last", [False, True])
def test_every_crop_is_torchvision_s(images, channels_last):
    """All 81 offsets, mirrored or not: equal to a few units in the last place."""
    dataset = BatchedImages(images, channels_last=channels_last)
    places = [*itertools.product([0, COUNT - 1], range(9), range(9), [0, 1])]
    made, labels = dataset[Draw(*torch.tensor(places).T)]
    expected = torch.stack([reference(images, *place) for place in places])
    assert (made - expected).abs().max() < 2e-6
    assert labels.tolist() == [images.labels[index] for index, *_ in places]
    assert made.is_contiguous(
        memory_format=torch.channels_last if channels_last else torch.contiguous_format
    )


@pytest.mark.parametrize("name", ["lab", "plain"])
@pytest.mark.parametrize("side", [32, 48])
@pytest.mark.parametrize("channels_last", [False, True])
def test_resized_and_plain_images_are_torchvision_s_too(images, name, side, channels_last):
    """Bilinear with antialiasing, on whole numbers; plain images are in [0, 1]."""
    transform = build_transforms(name, side, augment=False)
    dataset = BatchedImages(
        images, image=side, normalised=name == "lab", channels_last=channels_last
    )
    expected = transform(Image.fromarray(images.pixels[3]))
    assert (dataset[draw(3)][0][0] - expected).abs().max() < 2e-6


def test_offsets_and_flips_are_uniform():
    """Of 81,000 images every offset has its 81st, half are mirrored: within 5 deviations."""
    (epoch,) = Draws(81_000, 81_000, seed=1)
    counts = torch.bincount(9 * epoch.tops + epoch.lefts, minlength=81)
    assert len(counts) == 81
    assert (counts - 1000).abs().max() < 5 * 1000**0.5
    assert abs(int(epoch.mirrored.sum()) - 40_500) < 5 * (81_000 / 4) ** 0.5
    by_flip = torch.bincount(epoch.tops[epoch.mirrored == 1], minlength=9)
    assert (by_flip - 4500).abs().max() < 5 * 4500**0.5


def test_an_epoch_has_every_image_once():
    """In another order each time, the smaller last batch included or left out."""
    draws = Draws(10, 4, seed=3)
    first, second = ([batch.images for batch in draws] for _ in range(2))
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert sorted(torch.cat(first).tolist()) == sorted(torch.cat(second).tolist()) == [*range(10)]
    assert torch.cat(first).tolist() != torch.cat(second).tolist()
    assert [len(batch.images) for batch in Draws(10, 4, drop_last=True)] == [4, 4]


def epochs(images, **options):
    """Returns the batches of two epochs."""
    loader = batched_loader(images, 3, **options)
    return [batch for _ in range(2) for batch in loader]


@pytest.mark.parametrize("options", [{"workers": 2}, {"workers": 1, "persistent_workers": True}])
def test_batches_do_not_depend_on_the_workers(images, options):
    """Bit for bit, over two epochs."""
    for (ours, label), (theirs, other) in zip(
        epochs(images, seed=5), epochs(images, seed=5, **options), strict=True
    ):
        assert torch.equal(ours, theirs)
        assert torch.equal(label, other)


def test_another_seed_is_another_epoch(images):
    """The same one is the same."""
    first, again, other = (epochs(images, seed=seed)[0][0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_resident_images_give_the_same_batches(images):
    """Made on the device, as often as it is asked."""
    loader = ResidentLoader(BatchedImages(images), Draws(COUNT, 3, seed=5))
    ours = [batch for _ in range(2) for batch in loader]
    assert len(loader) == 3
    for (made, _), (expected, _) in zip(ours, epochs(images, seed=5), strict=True):
        assert torch.equal(made, expected)


def test_evaluation_takes_the_images_as_they_are(images):
    """In their order, neither cropped nor mirrored."""
    ((made, labels),) = batched_evaluation_loader(BatchedImages(images))
    expected = torch.stack([reference(images, index, 4, 4, 0) for index in range(COUNT)])
    assert (made - expected).abs().max() < 2e-6
    assert labels.tolist() == images.labels.tolist()


def test_a_batch_larger_than_the_data_is_refused(images):
    """As by the lab's loader."""
    with pytest.raises(InputError, match="batch_size 8 is larger than the 7 training images"):
        batched_loader(images, 8)
