"""CIFAR-10 on disk, in both versions, whole and damaged."""

import hashlib
import pickle
import re
import tarfile

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from hpml_lab.errors import DataError, InputError
from hpml_lab.training import cifar10
from hpml_lab.training.images import open_images

TRAIN = [f"data_batch_{i}" for i in range(1, 6)]


def drawn(seed, count):
    """Returns random pixels, channels first, and labels 0 to 9 in turn."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 3, 32, 32), np.uint8)
    return pixels, (np.arange(count) % 10).astype(np.uint8)


@pytest.fixture
def binary(tmp_path):
    """A folder with the binary version, twenty images a file."""
    folder = tmp_path / "data" / cifar10.BINARY_FOLDER
    folder.mkdir(parents=True)
    for seed, name in enumerate([*TRAIN, "test_batch"]):
        cifar10.write_binary(folder / f"{name}.bin", *drawn(seed, 20))
    return folder


@pytest.fixture
def python(tmp_path, monkeypatch):
    """A folder with the python version, twenty images a file, whose digests are pinned."""
    folder = tmp_path / "data" / cifar10.PYTHON_FOLDER
    folder.mkdir(parents=True)
    digests = {}
    for seed, name in enumerate([*TRAIN, "test_batch"]):
        pixels, labels = drawn(seed, 20)
        batch = {"data": pixels.reshape(20, -1), "labels": labels.tolist()}
        digests[name] = write_pickle(folder / name, batch)
    names = {"label_names": [f"class {i}" for i in range(10)]}
    digest = write_pickle(folder / "batches.meta", names)
    monkeypatch.setattr(CIFAR10, "train_list", [[name, digests[name]] for name in TRAIN])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", digests["test_batch"]]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": digest}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    return folder


def write_pickle(path, value):
    """Writes a pickle; returns its MD5 digest."""
    path.write_bytes(pickle.dumps(value))
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("version", ["binary", "python"])
def test_both_versions_give_the_same_images(version, request):
    """Either version is taken for real CIFAR-10: channels last, files in order."""
    folder = request.getfixturevalue(version)
    images = open_images(str(folder.parent))
    pixels, labels = drawn(3, 20)
    assert (images.source, len(images)) == ("cifar10", 100)
    assert (images.pixels[60:80] == pixels.transpose(0, 2, 3, 1)).all()
    assert (images.labels[60:80] == labels).all()


@pytest.mark.parametrize("version", ["binary", "python"])
def test_the_folder_itself_can_be_named(version, request):
    """The folder of the files works like the one above it, and the test split is one file."""
    folder = request.getfixturevalue(version)
    images = open_images(str(folder), "test")
    assert len(images) == 20
    assert (images.pixels == drawn(5, 20)[0].transpose(0, 2, 3, 1)).all()


def test_images_cannot_be_written_to(binary):
    """Images that several trainings share are read-only."""
    with pytest.raises(ValueError, match="read-only"):
        open_images(str(binary)).pixels[0] = 0


def test_a_truncated_record_is_named(binary):
    """A file that ends inside a record is an error that names the file and both sizes."""
    path = binary / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-7])
    message = rf"{re.escape(str(path))}' is truncated: 61,453 bytes.* have 61,460"
    with pytest.raises(DataError, match=message):
        cifar10.read(binary, "train")


def test_a_file_with_fewer_records_is_named(binary):
    """A file that ends between two records is found by its neighbours."""
    path = binary / "data_batch_5.bin"
    path.write_bytes(path.read_bytes()[: -cifar10.RECORD_BYTES])
    with pytest.raises(DataError, match=r"data_batch_5.bin' is truncated"):
        cifar10.read(binary, "train")


def test_an_empty_file_is_named(binary):
    """An empty test file has no neighbours, and is truncated all the same."""
    (binary / "test_batch.bin").write_bytes(b"")
    with pytest.raises(DataError, match=r"test_batch.bin' is truncated: 0 bytes"):
        cifar10.read(binary, "test")


def test_a_missing_file_is_named(binary):
    """A data set without one of its files is an error that names the file."""
    (binary / "data_batch_4.bin").unlink()
    with pytest.raises(DataError, match=r"data_batch_4.bin' is missing"):
        cifar10.read(binary, "train")


def test_an_impossible_label_is_named(binary):
    """A label of ten or more means damage, whatever the file's size."""
    path = binary / "data_batch_1.bin"
    path.write_bytes(b"\x0b" + path.read_bytes()[1:])
    with pytest.raises(DataError, match=r"data_batch_1.bin' is damaged: it has label 11"):
        cifar10.read(binary, "train")


def test_a_pickle_without_its_digest_is_never_opened(python):
    """A changed pickle is refused before it could run code."""
    path = python / "data_batch_3"
    path.write_bytes(pickle.dumps(pytest.fail))
    with pytest.raises(DataError, match=r"data_batch_3' is missing, damaged or truncated"):
        cifar10.read(python, "train")


def test_a_folder_without_the_data_set_is_refused(tmp_path):
    """A folder that holds neither version is an error that says what was looked for."""
    (tmp_path / "other").touch()
    with pytest.raises(DataError, match="neither cifar-10-batches-py/data_batch_1 nor"):
        open_images(str(tmp_path))


def archive_in(folder, size=None):
    """An archive of one file, or the beginning of it."""
    (folder / "data_batch_1.bin").write_bytes(np.random.default_rng(0).bytes(30_000))
    path = folder / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder / "data_batch_1.bin", "x/data_batch_1.bin")
    (folder / "data_batch_1.bin").unlink()
    path.write_bytes(path.read_bytes()[:size])


def file_in(*names):
    """Files, empty, in folders below."""

    def make(folder):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()

    return make


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (file_in(), "it is empty; fetch the data set, or give the word download"),
        (archive_in, r"only the archive .* unpack it with: tar xzf cifar-10-python.tar.gz"),
        (lambda folder: archive_in(folder, 5000), "is cut off or damaged; fetch it again"),
        (file_in("a/b/data_batch_1.bin"), r"it lies in '.*a/b'; give that folder"),
        (file_in("cifar-100-python/train"), "this is CIFAR-100, which has other classes"),
        (file_in("train/cat/0001.PNG"), "it holds pictures; the binary or the python version"),
        (file_in("cifar-10-batches-mat/data_batch_1.mat"), "this is the MATLAB version"),
    ],
    ids=["empty", "archive", "half an archive", "deeper", "CIFAR-100", "by class", "MATLAB"],
)
def test_what_lies_there_instead_is_said_in_one_line(tmp_path, make, message):
    """And what to do about it."""
    make(tmp_path)
    with pytest.raises(DataError, match=message) as error:
        cifar10.read(tmp_path, "train")
    assert "\n" not in str(error.value)


def test_a_damaged_version_hides_no_good_one(binary):
    """A python version that somebody wrote again stands beside the binary one."""
    folder = binary.parent / cifar10.PYTHON_FOLDER
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(b"another")
    assert len(cifar10.read(binary.parent, "train")) == 100


def test_a_missing_folder_is_refused(tmp_path):
    """A folder that is not there is an error that says what else can be given."""
    with pytest.raises(DataError, match=r"no data folder at .*nowhere.*generated, download"):
        open_images(str(tmp_path / "nowhere"))


def test_a_failed_download_is_one_error(monkeypatch):
    """Without a network the download ends in one error that says what to do."""

    def refuse(*_args, **_kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(cifar10, "CIFAR10", refuse)
    with pytest.raises(DataError, match=r"could not be downloaded .*no route to host"):
        open_images("download")


def test_the_first_images_keep_their_source(images):
    """A part of the images is as many as asked for, in order."""
    part = images.first(3)
    assert (len(part), part.source) == (3, "generated")
    assert (part.pixels == images.pixels[:3]).all()


@pytest.mark.parametrize("count", [0, 41])
def test_more_images_than_there_are_cannot_be_had(images, count):
    """Neither none nor more than all can be taken."""
    with pytest.raises(InputError, match=f"images {count} cannot be had; the data holds 1 to 40"):
        images.first(count)


def test_the_files_of_a_split_are_those_that_are_read(binary, python, tmp_path):
    """Five for training in the binary version; all seven in the python one, for their digests."""
    assert [path.name for path in cifar10.files(binary, "train")] == [f"{n}.bin" for n in TRAIN]
    assert cifar10.files(python, "test") == cifar10.files(python.parent, "train")
    names = [*TRAIN, "test_batch", "batches.meta"]
    assert [path.name for path in cifar10.files(python, "test")] == names
    assert cifar10.files(tmp_path / "data" / "none", "train") == []
