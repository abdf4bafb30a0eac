"""From images to batches."""

import pytest
import torch
from torchvision import transforms

from hpml_lab.errors import InputError
from hpml_lab.workloads import loading
from hpml_lab.workloads.loading import lab_transforms, training_loader, worker_counts


def test_transforms_are_the_lab_s_in_order():
    """Crop after padding by 4, flip, float, normalise by deviations (not their square roots)."""
    crop, flip, to_float, normalise = lab_transforms().transforms
    assert isinstance(to_float, transforms.ToTensor)
    assert (crop.size, crop.padding, flip.p) == ((32, 32), 4, 0.5)
    assert normalise.mean == (0.4914, 0.4822, 0.4465)
    assert normalise.std == (0.2023, 0.1994, 0.2010)


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
    assert (alone.timeout, crowd.timeout) == (0, loading.TIMEOUT_S)
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
