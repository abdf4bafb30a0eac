"""From images to batches."""

import pytest
import torch
from PIL import Image
from torchvision import transforms

from hpml_lab.errors import InputError
from hpml_lab.training import loader
from hpml_lab.training.loader import (
    build_transforms,
    evaluation_loader,
    training_loader,
    worker_counts,
)


def test_transforms_are_the_lab_s_in_order():
    """Crop after padding by 4, flip, float, normalise by deviations (not their square roots)."""
    crop, flip, to_float, normalise = build_transforms().transforms
    assert isinstance(to_float, transforms.ToTensor)
    assert (crop.size, crop.padding, flip.p) == ((32, 32), 4, 0.5)
    assert normalise.mean == (0.4914, 0.4822, 0.4465)
    assert normalise.std == (0.2023, 0.1994, 0.2010)


def test_plain_transforms_only_scale_to_one():
    """The GPU-memory lab trains on floats in [0, 1], without augmentation: 255 becomes 1."""
    white = Image.new("RGB", (32, 32), "white")
    assert torch.equal(build_transforms("plain")(white), torch.ones(3, 32, 32))


def test_evaluation_sees_no_augmentation():
    """Without crop and flip an image is normalised alone: (1 - mean) / deviation."""
    white = Image.new("RGB", (32, 32), "white")
    red, _, blue = build_transforms(augment=False)(white)
    assert red.unique().item() == pytest.approx((1 - 0.4914) / 0.2023)
    assert blue.unique().item() == pytest.approx((1 - 0.4465) / 0.2010)


def test_images_are_resized_bilinearly_with_antialiasing():
    """Twice as large, the edge of a half is blended; four times smaller, stripes are averaged."""
    image = Image.new("RGB", (32, 32))
    image.paste("white", (0, 0, 16, 32))
    larger = build_transforms("plain", 64)(image)
    assert larger.shape == (3, 64, 64)
    assert larger.mean().item() == pytest.approx(0.5, abs=1e-3)
    assert 0 < larger[0, 0, 32].item() < 1  # between the halves
    stripes = Image.new("RGB", (32, 32))
    for column in range(0, 32, 2):
        stripes.paste("white", (column, 0, column + 1, 32))
    assert build_transforms("plain", 8)(stripes).std().item() < 0.1  # aliasing would keep stripes


def test_evaluation_reads_every_image_in_order(images):
    """Forty images are one batch, in the order of the data."""
    (batch,) = evaluation_loader(images, build_transforms("plain"))
    assert batch[1].tolist() == images.labels.tolist()


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [16, 16, 8]), (True, [16, 16])])
def test_batches_hold_every_image_once(images, drop_last, sizes):
    """Forty images are two batches of 16 and one of 8, which can be left out."""
    loader = training_loader(images, 16, drop_last=drop_last)
    batches = list(loader)
    assert [len(labels) for _, labels in batches] == sizes
    assert {tuple(x.shape[1:]) for x, _ in batches} == {(3, 32, 32)}
    assert {x.dtype for x, _ in batches} == {torch.float32}


def test_a_seed_gives_the_same_batches_again(images):
    """Order and augmentation follow the seed."""

    def first_labels(seed):
        torch.manual_seed(0)
        return next(iter(training_loader(images, 40, seed=seed)))[1].tolist()

    assert first_labels(1) == first_labels(1) != first_labels(2)


def test_workers_have_a_timeout_and_no_warning(images):
    """A worker that hangs ends the epoch; more workers than processors are not warned about."""
    alone, crowd = training_loader(images, 8), training_loader(images, 8, workers=64)
    assert (alone.timeout, crowd.timeout) == (0, loader.TIMEOUT_S)
    crowd.check_worker_number_rationality()


def test_worker_processes_give_the_same_images(images):
    """Two workers load what none loads: every label as often."""
    labels = torch.cat([batch[1] for batch in training_loader(images, 10, workers=2)])
    assert labels.bincount().tolist() == [4] * 10


def test_persistent_workers_need_workers(images):
    """Without worker processes there is nothing to persist, and no error."""
    assert not training_loader(images, 8, persistent_workers=True).persistent_workers
    assert training_loader(images, 8, persistent_workers=True, workers=1).persistent_workers


def test_a_batch_larger_than_the_data_is_refused(images):
    """The error says how large a batch may be."""
    with pytest.raises(InputError, match=r"batch_size 41 is larger than the 40 .*give 1 to 40"):
        training_loader(images, 41)


@pytest.mark.parametrize(
    ("processors", "counts"),
    [(1, (0, 1, 2)), (2, (0, 1, 2, 4)), (6, (0, 1, 2, 4, 8)), (16, (0, 1, 2, 4, 8, 16, 32))],
)
def test_worker_counts_end_at_twice_the_processors(processors, counts):
    """The sweep goes beyond the processors once, so that its best point can lie inside."""
    assert worker_counts(processors) == counts
