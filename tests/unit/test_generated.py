"""The generated images: shape, seed, and how hard they are."""

import os

import numpy as np
import pytest

from hpml_lab.training import cifar10, images
from hpml_lab.training.images import open_images


def drawn(seed, count):
    """Returns generated images in [0, 1] and their labels."""
    pixels, labels = images.draw(np.random.default_rng(seed), count)
    return pixels.astype(np.float64) / 255, labels


def test_images_have_the_shape_of_cifar10():
    """Pixels are bytes, channels first, and all ten classes are equally often there."""
    pixels, labels = images.draw(np.random.default_rng(0), 250)
    assert (pixels.dtype, pixels.shape) == (np.uint8, (250, 3, 32, 32))
    assert np.bincount(labels).tolist() == [25] * 10


def test_a_seed_gives_the_same_images_again():
    """The same seed gives the same bytes; another seed gives others."""
    first, again, other = (images.draw(np.random.default_rng(s), 30)[0] for s in (4, 4, 5))
    assert (first == again).all()
    assert not (first == other).all()


@pytest.mark.integration
def test_a_linear_model_does_not_solve_them():
    """Ridge regression on the pixels stays below 40 % on new images; chance is 10 %."""
    train, train_labels = drawn(0, 4000)
    test, test_labels = drawn(1, 1000)
    train, test = train.reshape(4000, -1), test.reshape(1000, -1)
    mean = train.mean(0)
    targets = np.eye(10)[train_labels]
    gram = (train - mean) @ (train - mean).T + 1000 * np.eye(4000)
    weights = (train - mean).T @ np.linalg.solve(gram, targets)
    accuracy = (((test - mean) @ weights).argmax(1) == test_labels).mean()
    assert accuracy < 0.4


def test_the_spectrum_tells_the_classes_apart():
    """What a convolution can see solves them: the nearest mean spectrum is right for 80 %."""

    def spectrum(pixels):
        power = np.abs(np.fft.fft2(pixels - pixels.mean((2, 3), keepdims=True))) ** 2
        rows, columns = power[:, :, 1:17, 0].sum(1), power[:, :, 0, 1:17].sum(1)
        both = np.concatenate([rows, columns], 1)
        return both / both.sum(1, keepdims=True)

    train, train_labels = drawn(0, 2000)
    test, test_labels = drawn(1, 1000)
    seen = spectrum(train)
    means = np.stack([seen[train_labels == label].mean(0) for label in range(10)])
    distance = ((spectrum(test)[:, None] - means) ** 2).sum(2)
    assert (distance.argmin(1) == test_labels).mean() > 0.8


def test_they_are_written_once_and_read_through_the_same_path(cache):
    """The folder holds CIFAR-10's binary files; reading it says generated, and so does asking."""
    folder = images.ensure(cache, per_file=20)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert images.ensure(cache, per_file=20) == folder
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    read = cifar10.read(folder, "train")
    assert (read.source, len(read)) == ("generated", 100)


def test_two_processes_may_write_at_once(cache, monkeypatch):
    """Whoever comes second uses the first one's images, and leaves nothing behind."""
    first = images.ensure(cache, per_file=10)
    kept = (first / "test_batch.bin").read_bytes()
    monkeypatch.setattr(type(first), "is_dir", slow_to_see(first))
    assert images.ensure(cache, per_file=10) == first
    assert (first / "test_batch.bin").read_bytes() == kept
    assert os.listdir(cache) == [first.name]


def slow_to_see(folder):
    """Returns an `is_dir` that does not see the folder the first time it is asked."""
    answers = iter([False])
    return lambda path: next(answers, True) if path == folder else True


def test_a_full_disk_leaves_no_half_written_folder(cache, monkeypatch):
    """If writing fails, the next call starts anew."""

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(images, "write_binary", full)
    with pytest.raises(OSError, match="No space left"):
        images.ensure(cache, per_file=10)
    assert os.listdir(cache) == []


@pytest.mark.slow
def test_all_of_them_are_as_many_as_cifar10():
    """Without a folder there are 50,000 training and 10,000 test images."""
    open_images.cache_clear()
    assert (len(open_images()), len(open_images(split="test"))) == (50_000, 10_000)
    open_images.cache_clear()
