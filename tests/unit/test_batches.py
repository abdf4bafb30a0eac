"""Batches of any nesting: their tensors, their samples, their way to a device."""

from collections import UserDict, namedtuple
from dataclasses import dataclass

import pytest
import torch

from hpml_lab.training.batches import common_length, on_device, own_bytes, shapes, tensors

Pair = namedtuple("Pair", ["inputs", "targets"])


@dataclass
class Record:
    """A batch as a dataclass."""

    words: torch.Tensor
    mask: torch.Tensor


class Plain:
    """A batch as an object of one's own."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.name = "graph"


WORDS, MASK, LABELS = torch.zeros(8, 12), torch.ones(8, 12), torch.zeros(8)
IMAGE = torch.zeros(3, 32, 32)


@pytest.mark.parametrize(
    ("batch", "count"),
    [
        (WORDS, 1),
        ({"words": WORDS, "mask": {"deep": MASK}}, 2),
        (UserDict(words=WORDS, labels=LABELS), 2),
        ([IMAGE, [IMAGE, {"boxes": LABELS}]], 3),
        (Pair(WORDS, Record(MASK, LABELS)), 3),
        (Plain(WORDS), 1),
        ("text", 0),
        ((WORDS, "text", 3, None, torch.nn.functional.relu), 1),
    ],
)
def test_every_tensor_is_found(batch, count):
    """In mappings, sequences, records and objects; texts, numbers and functions hold none."""
    assert len(list(tensors(batch))) == count


def test_a_batch_that_holds_itself_ends():
    """A cycle is followed a few times."""
    batch = {"words": WORDS}
    batch["self"] = batch
    assert 1 <= len(list(tensors(batch))) < 20


@pytest.mark.parametrize(
    ("batch", "length"),
    [
        ((WORDS, LABELS), 8),
        ({"words": WORDS, "mask": MASK}, 8),
        (({"words": WORDS, "mask": MASK}, LABELS), 8),
        (Record(WORDS, MASK), 8),
        ((WORDS, torch.tensor(0.5)), 8),
        ([WORDS, LABELS], 8),
        ((torch.zeros(5, 8, 16), LABELS), None),  # time first
        ([IMAGE, IMAGE], None),  # its dimension 0 is channels
        (((IMAGE, IMAGE), ({"boxes": torch.zeros(3, 4)},)), None),
        ({"images": [IMAGE, IMAGE]}, None),
        ([torch.zeros(3, 4), torch.zeros(5, 4)], None),
        ({"threshold": torch.tensor(0.5)}, None),
        ("text", None),
    ],
)
def test_samples_are_what_all_tensors_agree_on(batch, length):
    """Dimension 0 of all that have one; a collection of like tensors says nothing."""
    assert common_length(batch) == length


def test_a_batch_moves_whole():
    """Its form stays; what moves itself does so; the rest is handed on."""
    meta = torch.device("meta")
    moved = on_device({"pair": Pair(WORDS, [LABELS]), "record": Record(WORDS, MASK), "n": 3}, meta)
    assert {tensor.device for tensor in tensors(moved)} == {meta}
    assert isinstance(moved["pair"], Pair)
    assert isinstance(moved["record"], Record)
    assert moved["n"] == 3
    packed = torch.nn.utils.rnn.pack_sequence([torch.zeros(3, 2), torch.zeros(2, 2)])
    assert on_device(packed, meta).data.device == meta


@pytest.mark.filterwarnings("ignore:Sparse")
def test_bytes_are_those_of_the_elements():
    """A view counts what it shows; a sparse tensor its indices and values."""
    assert own_bytes(WORDS[:2]) == 2 * 12 * 4
    assert own_bytes(torch.eye(3).to_sparse()) == 2 * 3 * 8 + 3 * 4
    assert own_bytes(torch.eye(3).to_sparse_csr()) == (4 + 3) * 8 + 3 * 4


def test_shapes_say_what_a_batch_is():
    """Type and shape of each tensor; of many the first eight."""
    assert shapes({"x": WORDS, "y": (LABELS.long(),)}) == "float32[8,12] int64[8]"
    assert shapes([torch.zeros(2)] * 11).endswith("float32[2] and 3 more")
    assert shapes(None) == ""


class Sample:
    """An object without a method ``to``, which holds itself too."""

    def __init__(self):
        self.inputs, self.name, self.parent = torch.ones(2), "a", self


def test_an_object_with_tensors_goes_to_the_device_as_a_copy():
    """Its tensors do, whatever else it holds; the object of the loader stays as it was."""
    sample = Sample()
    moved = on_device({"sample": sample, "more": {torch.ones(1)}}, torch.device("meta"))
    assert moved["sample"].inputs.device.type == "meta"
    assert (moved["sample"].name, sample.inputs.device.type) == ("a", "cpu")
    assert {tensor.device.type for tensor in moved["more"]} == {"meta"}


def test_an_object_without_tensors_is_passed_on():
    """The same object: a copy of a file or a lock would not work."""
    settings = type("Settings", (), {})()
    assert on_device(settings, torch.device("meta")) is settings
